"""From a recipe to models and learners: who plays, who learns, what is frozen, what is written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from fairmem.config import Recipe, parse_recipe
from fairmem.errors import ConfigError
from fairmem.learner import Row, open_backbones
from fairmem.policy import is_pair, open_policy, read_about
from fairmem.policy.hf import HFPolicy
from tests.unit.learner.conftest import MakeRow
from tests.unit.policy.conftest import build_model_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model_folder(tmp_path_factory.mktemp("model") / "tiny")


def recipe(folder: Path, **model: Any) -> Recipe:
    return parse_recipe(
        {
            "model": {"path": str(folder), "device": "cpu", **model},
            "learner": {"lr": 1e-2, "warmup_steps": 0},
            "stages": [{"minibatches": 3}],
        }
    )


def rows(row: MakeRow) -> list[Row]:
    """Two rollouts, an extractor and a manager turn each."""
    return [
        row(role=role, rollout=rollout, advantage=advantage, ids=(40, 41))
        for role in ("extractor", "manager")
        for rollout, advantage in (("b0", 1.0), ("b1", -1.0))
    ]


def state(policy: HFPolicy) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in policy.model.parameters()]


def changed(policy: HFPolicy, before: list[torch.Tensor]) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(state(policy), before, strict=True))


def test_by_default_one_model_plays_and_learns_everything(folder: Path, row: MakeRow, tmp_path: Path) -> None:
    backbones = open_backbones(recipe(folder))
    assert set(backbones.policies) == {"extractor", "manager", "single", "writer", "tooluser"}
    assert len({id(policy) for policy in backbones.policies.values()}) == 1 and backbones.name == "tiny"
    before = state(backbones.policies["manager"])
    assert backbones.team.step(rows(row))["rows"] == 4
    assert changed(backbones.policies["extractor"], before)
    (learner,) = backbones.team.members.values()
    assert learner.config.minibatches == 3  # of the first stage
    backbones.export(tmp_path / "model", {"run": "x"})
    assert open_policy(str(tmp_path / "model")).family == "compact"


def test_separate_models_learn_their_own_role(folder: Path, row: MakeRow) -> None:
    backbones = open_backbones(recipe(folder, backbones="separate"))
    before = {role: state(policy) for role, policy in backbones.policies.items()}
    backbones.team.step([r for r in rows(row) if r.role == "manager"])
    assert changed(backbones.policies["manager"], before["manager"])
    assert not changed(backbones.policies["extractor"], before["extractor"])
    backbones.team.step([r for r in rows(row) if r.role == "extractor"])
    assert changed(backbones.policies["extractor"], before["extractor"])


@pytest.mark.parametrize("kind", ["shared", "separate"])
@pytest.mark.parametrize(("trained", "frozen"), [("manager", "extractor"), ("extractor", "manager")])
def test_the_role_that_is_not_trained_keeps_the_start_weights(
    folder: Path, row: MakeRow, kind: str, trained: str, frozen: str
) -> None:
    backbones = open_backbones(recipe(folder, train=trained, backbones=kind))
    roles: Any = backbones.policies
    start = state(roles[frozen])
    for _ in range(2):
        assert backbones.team.step(rows(row))["rows"] == 2
    assert changed(roles[trained], start) and not changed(roles[frozen], start)
    # The frozen model is the KL reference as well: it holds the very same weights, in one copy.
    (learner,) = backbones.team.members.values()
    assert learner._reference is roles[frozen].model


def test_another_model_can_play_the_role_that_is_not_trained(folder: Path, row: MakeRow, tmp_path: Path) -> None:
    other = build_model_folder(tmp_path / "other")
    backbones = open_backbones(recipe(folder, train="manager", frozen=str(other)))
    assert [backbones.policies[role].name for role in ("extractor", "manager")] == ["other", "tiny"]
    (learner,) = backbones.team.members.values()
    # The reference is the manager's own start, not the other model.
    assert learner._reference is not backbones.policies["extractor"].model
    before = state(backbones.policies["extractor"])
    backbones.team.step(rows(row))
    assert not changed(backbones.policies["extractor"], before)
    backbones.export(tmp_path / "model", {})
    assert is_pair(str(tmp_path / "model"))


def test_a_reference_of_the_stage_is_a_copy_that_moves_while_the_frozen_role_does_not(
    folder: Path, row: MakeRow
) -> None:
    backbones = open_backbones(recipe(folder, train="manager", reference="stage"))
    start = state(backbones.policies["extractor"])
    backbones.team.step(rows(row))
    backbones.team.restart(None, recipe(folder).learner, reset_reference=True)
    assert not changed(backbones.policies["extractor"], start)
    (learner,) = backbones.team.members.values()
    assert learner._reference is not backbones.policies["extractor"].model


def test_two_models_are_written_side_by_side_and_can_be_trained_further(
    folder: Path, row: MakeRow, tmp_path: Path
) -> None:
    backbones = open_backbones(recipe(folder, backbones="separate"))
    backbones.team.step(rows(row))
    backbones.export(tmp_path / "run" / "model", {"run": "run"})
    assert is_pair(str(tmp_path / "run" / "model"))
    again = open_backbones(recipe(tmp_path / "run" / "model", backbones="separate"))
    assert again.name == "run/extractor + run/manager"
    for role, policy in again.policies.items():
        assert not changed(policy, state(backbones.policies[role]))
    # The frozen role is the pair's own, and no reference for the other.
    half = open_backbones(recipe(tmp_path / "run" / "model", train="manager"))
    assert not changed(half.policies["extractor"], state(backbones.policies["extractor"]))
    (learner,) = half.team.members.values()
    assert learner._reference is not half.policies["extractor"].model


def test_what_cannot_be_trained_is_said_in_one_line(folder: Path, tmp_path: Path) -> None:
    for role in ("extractor", "manager"):
        shutil.copytree(folder, tmp_path / "pair" / role)
    with pytest.raises(ConfigError, match=r"a model per role; use model\.backbones=separate"):
        open_backbones(recipe(tmp_path / "pair"))
    for key in ("path", "reference"):
        with pytest.raises(ConfigError, match=rf"model\.{key} is 'scripted'; training needs a model in this process"):
            open_backbones(recipe(folder, **{key: "scripted"}))


def test_an_answerer_learns_from_its_answers_while_the_writers_stay(folder: Path, row: MakeRow, tmp_path: Path) -> None:
    options = ("model.train=answerer", "rollout.local_fraction=0", "reward.compression_lambda=0")
    settings = recipe(folder).model_dump(mode="json", exclude_none=True)
    backbones = open_backbones(parse_recipe({**settings, "answerer": {"path": str(folder)}}, options))
    assert backbones.answerer is not None and backbones.answerer not in backbones.policies.values()
    writer, answerer = state(backbones.policies["manager"]), state(backbones.answerer)
    answers = [row(role="answerer", rollout=f"g{at}", advantage=float(at or -1), ids=(40, 41)) for at in (0, 1)]
    assert backbones.team.step(answers)["rows"] == 2
    assert changed(backbones.answerer, answerer) and not changed(backbones.policies["manager"], writer)
    # What it leaves is the answerer, and says so.
    backbones.export(tmp_path / "model", {"run": "run"})
    assert read_about(tmp_path / "model")["role"] == "answerer"
    assert not changed(backbones.answerer, state(open_policy(str(tmp_path / "model"), device="cpu")))  # type: ignore[arg-type]
    backbones.close()
