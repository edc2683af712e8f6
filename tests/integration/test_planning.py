"""What a plan says of a step is what the step is: the small model trained for one step, and counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.planning import DEFAULTS, workload
from fairmem.trace import EpisodeTree, ParseOutcome, read_trace
from tests.integration.build import metrics, tiny

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

FACTOR = 3.0
"""Tokens are within this factor of the plan's: the untrained model notes about half of the facts that there are."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step with rerollouts, and without a limit on replies that would cut them."""
    from fairmem.train import run as train

    folder = tmp_path_factory.mktemp("runs") / "run"
    recipe = tiny("agents.extractor_max_tokens=96", "agents.manager_max_tokens=96")
    assert train(recipe, folder) == 0
    return folder


@pytest.fixture(scope="module")
def trees(run: Path) -> list[EpisodeTree]:
    return list(read_trace(run / "trace" / "step-000001.jsonl"))


def test_calls_questions_and_groups_are_those_of_the_run(run: Path, trees: list[EpisodeTree]) -> None:
    recipe = tiny("agents.extractor_max_tokens=96", "agents.manager_max_tokens=96")
    (step,) = workload(recipe, DEFAULTS).stages
    (measured,) = metrics(run)
    turns = [turn for tree in trees for branch in tree.branches for turn in branch.turns]
    read = [turn for turn in turns if turn.role == "extractor"]
    silent = sum(not turn.facts for turn in read)  # nothing was found in the chunk, so the manager was not called
    assert len(read) == step.roles[0].calls
    assert measured["calls"] == step.calls - silent
    assert measured["questions"] == step.questions
    assert measured["waves"] <= len(step.waves)  # a wave in which no manager is called is none
    assert sum(len(tree.branches) for tree in trees) == step.branches
    assert measured["local_groups"] == step.local_groups
    assert any(turn.parse is ParseOutcome.OK for turn in read)


def test_rows_are_those_of_the_run_and_of_the_groups_it_dropped(run: Path, trees: list[EpisodeTree]) -> None:
    (step,) = workload(tiny("agents.extractor_max_tokens=96", "agents.manager_max_tokens=96"), DEFAULTS).stages
    (measured,) = metrics(run)
    silent = sum(
        turn.role == "extractor" and not turn.facts for tree in trees for b in tree.branches for turn in b.turns
    )
    dropped = measured["global_dropped"] + measured["local_dropped"]
    assert measured["rows"] <= step.rows.rows
    if not dropped:
        assert measured["rows"] == step.rows.rows - silent
    else:  # a group is 3 rollouts or 2 rerollouts of a session in 2 chunks by 2 roles
        assert measured["rows"] >= step.rows.rows - silent - dropped * 3 * 2 * 2


def test_tokens_are_within_the_stated_factor(run: Path, trees: list[EpisodeTree]) -> None:
    (step,) = workload(tiny("agents.extractor_max_tokens=96", "agents.manager_max_tokens=96"), DEFAULTS).stages
    turns = [turn for tree in trees for branch in tree.branches for turn in branch.turns]
    for role in step.roles:
        own = [turn for turn in turns if turn.role == role.role]
        if not own:
            continue  # the answerer's calls are not role turns
        for planned, measured in (
            (role.prompt / role.calls, sum(len(turn.prompt_ids) for turn in own) / len(own)),
            (role.sampled / role.calls, sum(len(turn.ids) for turn in own) / len(own)),
        ):
            assert planned / FACTOR < measured < planned * FACTOR, (role.role, planned, measured)
    timing = [json.loads(line) for line in (run / "timing.jsonl").read_text().splitlines()]
    assert step.sampled / FACTOR < timing[0]["generated_tokens"] < step.sampled * FACTOR
