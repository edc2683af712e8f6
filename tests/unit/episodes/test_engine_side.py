from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

from fairmem.config import RESOLVED, save_resolved
from fairmem.episodes.engine_side import Journal, Rollouts
from fairmem.policy import folder_of
from fairmem.policy.hf import HFPolicy
from fairmem.trace import read_trace
from fairmem.train import run
from tests.integration.build import metrics, tiny


@pytest.fixture(scope="module")
def policy() -> HFPolicy:
    folder = folder_of("bundled")
    assert folder is not None
    return HFPolicy.from_folder(folder, device="cpu", dtype="float32")


def test_an_engine_gets_the_groups_and_advantages_that_the_embedded_run_learns_from(
    tmp_path: Path, policy: HFPolicy
) -> None:
    recipe = tiny("data.conversations_per_step=2")
    run(recipe, tmp_path / "embedded")
    folder = tmp_path / "engine"
    folder.mkdir()
    save_resolved(recipe, folder / RESOLVED)
    rollouts = Rollouts(folder)
    rolled = [rollouts.roll(0, number, policy) for number in (1, 0)]  # an engine plays them in any order
    with Journal(folder) as journal:
        learned = {"rows": float(sum(len(one.rows) for one in rolled))}
        journal.record(0, [one.facts for one in rolled], learned, {"rollout": 1.0, "learn": 2.0})
    (there,), (here,) = metrics(folder), metrics(tmp_path / "embedded")
    # What the update itself tells is the engine's; a wave of one conversation is not shared with the other's, and a
    # budget of tokens is counted in the embedded engine alone.
    own = {
        "waves",
        "sampled_tokens_total",
        "loss",
        "kl",
        "entropy",
        "grad_norm",
        "clip_fraction",
        "ratio_mean",
        "approx_kl",
        "sampler_gap",
    }
    assert {k: v for k, v in there.items() if k not in own} == {k: v for k, v in here.items() if k not in own}
    name = "trace/step-000001.jsonl"
    # Batches are other ones, so log-probabilities differ by rounding; the tokens and what they earned do not.
    for ours, theirs in zip(read_trace(folder / name), read_trace(tmp_path / "embedded" / name), strict=True):
        for a, b in zip(ours.branches, theirs.branches, strict=True):
            assert a.rewards == b.rewards and [t.ids for t in a.turns] == [t.ids for t in b.turns]
    assert json.loads((folder / "timing.jsonl").read_text())["seconds"] == 3.0


def test_rows_of_a_conversation_are_whole_groups_of_one_version(tmp_path: Path, policy: HFPolicy) -> None:
    save_resolved(tiny(), tmp_path / RESOLVED)
    rows = Rollouts(tmp_path).roll(0, 0, policy).rows
    assert rows and {row.policy_version for row in rows} == {0}
    for group in {row.group for row in rows}:
        assert len({row.rollout for row in rows if row.group == group}) >= 2


def test_a_resumed_journal_cuts_the_steps_after_the_checkpoint(tmp_path: Path, policy: HFPolicy) -> None:
    save_resolved(tiny("stages=[{sessions = 1, steps = 3}]"), tmp_path / RESOLVED)
    facts = [Rollouts(tmp_path).roll(0, 0, policy).facts]
    seconds = {"rollout": 1.0, "learn": 1.0}
    with Journal(tmp_path) as journal:
        journal.record(0, facts, {"rows": 1.0}, seconds)
        journal.record(1, facts, {"rows": 2.0}, seconds)
    with Journal(tmp_path, done=1) as journal:
        journal.record(1, facts, {"rows": 3.0}, seconds)
    assert [(line["step"], line["rows"]) for line in metrics(tmp_path)] == [(1, 1.0), (2, 3.0)]
