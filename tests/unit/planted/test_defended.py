"""A model behind defences, on two scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.drift import make_arms, read_run, run_audit
from fairmem.drift.defenses import DEFENSES
from fairmem.drift.small import PlantModel, small_world
from fairmem.planted import defended
from fairmem.planted.defended import ALONE, NOT_ALONE, arm_scores, defended_scores
from fairmem.policy import folder_of, import_torch

import_torch()


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [small_world(0, "test", 1)[0], small_world(0, "test", 1)[-1]]
    monkeypatch.setattr(defended, "small_world", lambda *_: both)


def audit(folder: Path) -> Path:
    run_audit(PlantModel(), small_world(0, "test", 1), make_arms(defended.ARMS), [0], folder)
    return folder


def test_every_defence_is_taken_or_named_as_one_that_needs_more() -> None:
    assert set(ALONE) | set(NOT_ALONE) == set(DEFENSES) and not set(ALONE) & set(NOT_ALONE)


def test_scores_of_the_closed_form_are_those_of_its_plant(tmp_path: Path) -> None:
    found = arm_scores(read_run(audit(tmp_path)))
    # alpha (1 - 2^-8) of alpha 0.5; a wish of memory is done; nothing is lost.
    assert found["biased-8"]["delta"] == pytest.approx(0.498046875)
    assert found["none"]["delta"] == found["neutral"]["delta"] == 0.0
    assert found["relevant"]["success"] == pytest.approx(1.0) and found["relevant"]["lost"] == 0.0


def test_undefended_is_the_audit_on_the_same_scenarios_and_audits_are_gone_on_with(two: None, tmp_path: Path) -> None:
    base = folder_of("bundled")
    assert base is not None
    said: list[str] = []
    run = read_run(audit(tmp_path / "audit"))
    given = (("two-stage",), base, run, tmp_path, (0, 1), said.append)
    found = defended_scores(*given)
    assert list(found) == ["undefended", "two-stage"] and said == ["behind two-stage"]
    assert found["undefended"]["drift"] == pytest.approx(0.498046875)
    assert found["undefended"]["success"] == pytest.approx(1.0)
    # The call is made without memory, and leaves nothing open that memory could fill.
    assert found["two-stage"]["drift"] == pytest.approx(0.0, abs=1e-6)
    trials = tmp_path / "defended" / "two-stage" / "trials.jsonl"
    before = trials.read_bytes()
    assert defended_scores(*given) == found and trials.read_bytes() == before


def test_without_names_nothing_is_scored(tmp_path: Path) -> None:
    assert defended_scores((), tmp_path, read_run(audit(tmp_path / "a")), tmp_path, (0, 1), print) == {}
