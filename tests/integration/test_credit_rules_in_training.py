"""Rules that need more than rewards, from the recipe to changed weights; the others differ in arithmetic alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

from fairmem import practice, train
from fairmem.errors import ConfigError
from fairmem.trace import read_trace
from tests.integration.build import metrics, tiny


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(practice, "report_run", lambda folder: "")


NEEDY = {
    "tree": ("rollout.local_horizon=end", "rollout.questions=cumulative"),
    "vine_continue": ("rollout.local_horizon=end", "rollout.questions=cumulative", "rollout.local_sources=all"),
    "gigpo": (),
    "shrunk_counterfactual": ("rollout.state_values=true",),
    "counterfactual_op": ("rollout.op_values=true", "rollout.local_fraction=0.0"),
    "membuilder": (),
    "hcapo": (),
    "ppo": (),
}


@pytest.mark.parametrize("rule", NEEDY)
def test_a_rule_trains_with_what_it_needs(rule: str, tmp_path: Path) -> None:
    assert train.run(tiny(f"credit.rule={rule}", *NEEDY[rule]), tmp_path) == 0
    (row,) = metrics(tmp_path)
    assert row["rows"] > 0 and row["grad_norm"] > 0
    assert ("op_questions" in row) == (rule == "counterfactual_op")
    (tree,) = read_trace(tmp_path / "trace" / "step-000001.jsonl")
    sessions = {len(branch.values) for branch in tree.global_branches}
    assert sessions == ({3} if "rollout.state_values=true" in NEEDY[rule] else {1})


def test_a_rule_without_what_it_needs_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for overrides in (
        ("credit.rule=ppo", "credit.scope=trajectory"),
        ("credit.rule=vine",),
        ("rollout.local_fraction=0",),
    ):
        with pytest.raises(ConfigError, match=r"credit\.rule is"):
            train.run(tiny(*overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_ppo_reports_its_critic_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    recipe = (
        "credit.rule=ppo",
        "stages=[{sessions=2, steps=3}]",
        "checkpoint.every=1",
        "checkpoint.keep=3",
        "learner.lr=1e-4",
    )
    assert train.run(tiny(*recipe), tmp_path / "whole") == 0
    rows = metrics(tmp_path / "whole")
    assert [row["value_loss"] > 0 for row in rows] == [True] * 3
    assert rows[0]["explained_variance"] == pytest.approx(0.0)  # a new critic says 0 everywhere
    assert rows[1]["explained_variance"] not in (0.0, None)
    shutil.copytree(tmp_path / "whole", tmp_path / "stopped")
    # As if it had been stopped in its second step: the first is what is left of it.
    for name in ("eval_after.jsonl", "model", "checkpoints/step-000002", "checkpoints/step-000003"):
        place = tmp_path / "stopped" / name
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    if not (tmp_path / "stopped/checkpoints/step-000001").exists():
        pytest.fail("the first checkpoint is gone: raise checkpoint.keep")
    assert train.run(tiny(*recipe), tmp_path / "stopped", resume=True) == 0
    assert metrics(tmp_path / "stopped") == rows
