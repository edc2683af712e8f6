"""Rules that need more than rewards, from the recipe to changed weights; the others differ in arithmetic alone."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

from fairmem import train
from fairmem.errors import ConfigError
from fairmem.trace import read_trace
from tests.integration.build import metrics, tiny


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "report_run", lambda folder: "")


NEEDY = {
    "tree": ("rollout.local_horizon=end", "rollout.questions=cumulative"),
    "vine_continue": ("rollout.local_horizon=end", "rollout.questions=cumulative", "rollout.local_sources=all"),
    "gigpo": (),
    "shrunk_counterfactual": ("rollout.state_values=true",),
    "membuilder": (),
    "hcapo": (),
}


@pytest.mark.parametrize("rule", NEEDY)
def test_a_rule_trains_with_what_it_needs(rule: str, tmp_path: Path) -> None:
    assert train.run(tiny(f"credit.rule={rule}", *NEEDY[rule]), tmp_path) == 0
    (row,) = metrics(tmp_path)
    assert row["rows"] > 0 and row["grad_norm"] > 0
    (tree,) = read_trace(tmp_path / "trace" / "step-000001.jsonl")
    sessions = {len(branch.values) for branch in tree.global_branches}
    assert sessions == ({3} if "rollout.state_values=true" in NEEDY[rule] else {1})


def test_a_rule_without_what_it_needs_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for overrides in (("credit.rule=ppo",), ("credit.rule=vine",), ("rollout.local_fraction=0",)):
        with pytest.raises(ConfigError, match=r"credit\.rule is"):
            train.run(tiny(*overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()
