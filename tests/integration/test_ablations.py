"""Every ablation of docs/guide/ablations.md is a key of the recipe, and runs from rollout to exported model."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

from fairmem import practice, train
from fairmem.errors import ConfigError
from fairmem.eval import EvalRequest, EvalResult, evaluate_dataset
from fairmem.policy import WRITERS, is_pair
from fairmem.trace import EpisodeTree, read_trace
from tests.integration.build import metrics, tiny

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "ablations.md"
ABLATIONS = [
    "model.backbones=separate",
    "model.train=extractor",
    "model.train=manager",
    "agents.roles=single",
    "credit.rule=grpo rollout.local_fraction=0",
    "rollout.local_group=3",
    "rollout.questions=cumulative",
    "rollout.questions=both",
    "rollout.local_horizon=1",
    "rollout.local_horizon=end",
    "rollout.local_reuse=true",
    "learner.ratio=token learner.aggregation=token",
    "credit.scale=std",
    "credit.scale=loo",
    "credit.rule=grpo",
]


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(practice, "report_run", lambda folder: "")


def run(folder: Path, *overrides: str) -> tuple[dict[str, Any], EpisodeTree]:
    """One step; its metrics and its tree."""
    assert train.run(tiny(*overrides), folder) == 0
    (row,) = metrics(folder)
    (tree,) = read_trace(folder / "trace" / "step-000001.jsonl")
    return row, tree


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_an_ablation_runs_end_to_end(ablation: str, tmp_path: Path) -> None:
    row, tree = run(tmp_path, *ablation.split())
    turns = [turn for branch in tree.branches if not branch.reused for turn in branch.turns]
    roles = {turn.role for turn in turns}
    groups = tree.local_groups()
    if ablation == "agents.roles=single":
        assert roles == {"single"} and row["ops_insert"] > 0
        return
    assert roles == set(WRITERS) and row["rows"] > 0 and row["grad_norm"] > 0
    assert bool(groups) == ("rollout.local_fraction=0" not in ablation)
    assert is_pair(str(tmp_path / "model")) == ablation.startswith("model.")
    if ablation == "model.backbones=separate":
        assert row["rows"] == row["extractor_rows"] + row["manager_rows"] and row["manager_rows"] > 0
    if ablation == "rollout.local_group=3":
        assert {len(members) for members in groups.values()} == {3}
    if ablation == "rollout.local_reuse=true":
        assert {tuple(branch.reused for branch in members) for members in groups.values()} == {(False, False, True)}
    if ablation in ("rollout.local_horizon=1", "rollout.local_horizon=end"):
        assert {branch.rewards[0].session for members in groups.values() for branch in members} == {2}


def test_the_frozen_role_is_exported_as_it_was(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    run(tmp_path, "model.train=manager")
    base = load_file(Path(train.__file__).parent / "assets" / "base" / "model.safetensors")
    written = {role: load_file(tmp_path / "model" / role / "model.safetensors") for role in WRITERS}
    changed = {role: any((base[name] != held[name]).any() for name in base) for role, held in written.items()}
    assert changed == {"extractor": False, "manager": True}


def test_two_models_are_evaluated_from_the_folder_above_them(tmp_path: Path) -> None:
    run(tmp_path / "two", "model.backbones=separate")
    asked = EvalRequest(
        dataset="village", model=str(tmp_path / "two" / "model"), answerer="bundled", sessions=1, limit=1, questions=2,
        categories=("single_hop",), seed=1, out=tmp_path / "out",
    )  # fmt: skip
    evaluate_dataset(asked)
    header = EvalResult.load(tmp_path / "out" / "eval.jsonl").header
    assert (header.model, header.answerer) == ("two/extractor + two/manager", "bundled")
    with pytest.raises(ConfigError, match="a model per role and none that answers; add --answerer"):
        evaluate_dataset(replace(asked, answerer=""))


def test_the_guide_shows_every_ablation_as_a_command() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for ablation in ABLATIONS:
        for override in ablation.split():
            assert re.search(rf"(?<![\w.]){re.escape(override)}(?![\w.])", text), f"{GUIDE.name} lacks {override}"
