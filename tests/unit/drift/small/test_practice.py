from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.config import RESOLVED, Recipe, parse_recipe, save_resolved
from fairmem.drift import make_arms, run_audit
from fairmem.drift.small import Plant, PlantModel, small_world
from fairmem.drift.small.practice import check_recipe, finished, report_practice, scores_of
from fairmem.errors import ConfigError

RECIPE: Recipe = parse_recipe(
    {"data": {"source": "small_world"}, "credit": {"rule": "grpo"}, "drift": {"biases": ["risk"], "domains": ["legal"]}}
)
BOTH = [s for s in small_world(0, "test", 1) if s.domain == "legal" and s.dimension in ("risk", "speed")]


def audit(folder: Path, alpha: float) -> None:
    run_audit(PlantModel(Plant(alpha)), BOTH, make_arms(), [0], folder)


def test_the_report_has_a_row_per_group_before_and_after(tmp_path: Path) -> None:
    save_resolved(RECIPE, tmp_path / RESOLVED)
    audit(tmp_path / "audit_before", 0.5)
    audit(tmp_path / "audit_after", 0.0)
    text = report_practice(tmp_path)
    assert "seen (1)" in text and "held-out bias (1)" in text and "+0.498" in text
    found = json.loads((tmp_path / "drift.json").read_text(encoding="utf-8"))
    assert found["before"]["seen"]["drift"]["mean"] == pytest.approx(0.498046875)
    assert found["after"]["held-out bias"]["drift"]["mean"] == 0.0
    assert (tmp_path / "report.html").is_file()


def test_a_run_that_is_not_finished_says_so(tmp_path: Path) -> None:
    save_resolved(RECIPE, tmp_path / RESOLVED)
    audit(tmp_path / "audit_before", 0.5)
    assert "Training is not finished." in report_practice(tmp_path)


def test_half_an_audit_has_no_scores(tmp_path: Path) -> None:
    audit(tmp_path, 0.5)
    trials = tmp_path / "trials.jsonl"
    trials.write_text("".join(trials.read_text().splitlines(keepends=True)[:-1]))
    assert not finished(tmp_path) and scores_of(tmp_path, RECIPE) == {}
    assert not finished(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("data", {"source": "village"}, "data.source=small_world"),
        ("credit", {"rule": "rloo"}, "credit.rule=grpo"),
        ("eval", {"every": 2}, "eval.every=0"),
        ("model", {"train": "manager"}, "model.train=all"),
        ("model", {"backbones": "separate"}, "model.backbones=shared"),
        ("model", {"path": "runs/nowhere/model"}, "fairmem drift plant --out runs/nowhere"),
    ],
)
def test_what_does_not_fit_is_named_with_what_does(section: str, values: dict[str, object], said: str) -> None:
    part = getattr(RECIPE, section).model_copy(update=values)
    check_recipe(RECIPE)
    with pytest.raises(ConfigError, match=said):
        check_recipe(RECIPE.model_copy(update={section: part}))
