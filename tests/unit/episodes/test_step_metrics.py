"""The numbers of a step, from trees whose content is known."""

import pytest

from fairmem.config import CreditConfig, RewardConfig
from fairmem.credit import assign
from fairmem.episodes import RunReport, WaveStats, sampled_tokens, step_metrics, step_timing
from fairmem.episodes.executor import Wave
from fairmem.trace import Branch, EpisodeTree, RoleTurn
from tests.unit.episodes.build import EVERYWHERE, FAILURE, PLAIN, at, play


def test_metrics_are_means_over_what_was_played() -> None:
    played = play(
        at({("g0", "manager", 1, 0): "a NOOP\nb INSERT", ("g1", "extractor", 3, 1): "?"}),
        reward=RewardConfig(compression_tau=0.0, compression_lambda=1.0),
    )
    credit = assign(played.tree, "grpo", CreditConfig(scale="mean"))
    metrics = step_metrics([played.tree], [credit], played.report, {"loss": 0.5, "rows": 8.0, "seconds": 1.0})
    # g0 misses 1 of 12 questions, g1 the 2 of the chunk that was not read.
    assert metrics["f1"] == pytest.approx((11 + 10) / 24)
    assert metrics["reward_local"] is None
    assert metrics["bank_entries"] == (11 + 10) / 2
    sizes = [played.branches[b].bank_tokens for b in ("g0", "g1")]
    assert metrics["bank_tokens"] == sum(sizes) / 2
    dialogue = played.runner.dialogue_tokens(played.plan.conversation, 3)
    assert metrics["compression_penalty"] == pytest.approx(sum(sizes) / 2 / dialogue)
    # 24 replies less the manager call that was not made; one of them unreadable.
    assert metrics["parse_ok"] == 22 / 23
    # 23 facts reached a manager, one of them got a NOOP.
    assert (metrics["ops_insert"], metrics["ops_noop"]) == ((11 + 10) / 2, 0.5)
    assert (metrics["ops_update"], metrics["ops_delete"]) == (0, 0)
    # Size alone makes the groups differ, so none is dropped.
    assert (metrics["global_groups"], metrics["global_dropped"], metrics["local_groups"]) == (3, 0, 0)
    assert (metrics["waves"], metrics["calls"], metrics["questions"]) == (7, 23, 24)
    assert (metrics["loss"], metrics["rows"]) == (0.5, 8.0) and "seconds" not in metrics


def test_failed_branches_are_counted_and_left_out_of_every_mean() -> None:
    played = play(at({("g0", "manager", 1, 1): FAILURE}), rollout=EVERYWHERE, seed=2)
    credit = assign(played.tree)
    metrics = step_metrics([played.tree], [credit], played.report, {})
    failed = [b.id for b in played.tree.branches if b.failed]
    assert metrics["failed_branches"] == len(failed) > 1
    assert metrics["f1"] == 1.0 and metrics["bank_entries"] == 12
    # Rerollouts of session 1 from the empty memory, or from g1: all complete.
    assert metrics["reward_local"] == 1.0


def test_if_everything_failed_means_are_missing_not_zero() -> None:
    played = play(at({("g0", "extractor"): FAILURE, ("g1", "extractor"): FAILURE}))
    metrics = step_metrics([played.tree], [assign(played.tree)], played.report, {})
    assert metrics["failed_branches"] == 2
    missing = ("f1", "reward_local", "compression_penalty", "bank_entries", "bank_tokens", "parse_ok", "ops_insert")
    assert {metrics[name] for name in missing} == {None}


def test_sampled_tokens_are_those_of_the_trained_roles_and_of_nothing_that_was_reused() -> None:
    turns = [
        RoleTurn(id="e", role="extractor", session=1, chunk=0, prompt="", prompt_hash="", ids=(1, 2, 3)),
        RoleTurn(id="m", role="manager", session=1, chunk=0, prompt="", prompt_hash="", ids=(4, 5)),
    ]
    whole = Branch(id="g0", kind="global", member=0, turns=tuple(turns))
    local = Branch(id="l0", kind="local", member=0, parent="g0", fork_session=1, turns=tuple(turns[1:]))
    reused = local.model_copy(update={"id": "l1", "reused": True})
    tree = EpisodeTree(conversation="c", sessions=1, step=0, policy_version=0, seed=0, branches=(whole, local, reused))
    # 3 + 2 of the rollout and 2 of the rerollout; the extractor wrote 3 of these, the manager 4.
    assert sampled_tokens([tree]) == 7 and sampled_tokens([tree, tree]) == 14
    assert (sampled_tokens([tree], "extractor"), sampled_tokens([tree], "manager")) == (3, 4)


def test_timing_divides_tokens_by_the_right_seconds() -> None:
    report = RunReport(WaveStats([Wave(4, 60, 2.0), Wave(1, 20, 1.0)]), wave_seconds=5.0, quiz_seconds=0.5)
    timing = step_timing(100.0, 106.0, {"seconds": 3.0, "tokens_per_second": 40.0}, report, 110.0)
    # The fullest wave made 60 tokens in 2 s; all together 80 in 5 s.
    assert timing == {
        "seconds": 10.0, "rollout_seconds": 6.0, "wave_seconds": 5.0, "quiz_seconds": 0.5, "learn_seconds": 3.0,
        "generated_tokens": 80, "tokens_per_second": 16.0, "rollout_efficiency": pytest.approx(16 / 30),
        "learner_tokens_per_second": 40.0,
    }  # fmt: skip
    idle = step_timing(0.0, 0.0, {"seconds": 0.0}, RunReport(), 0.0)
    assert idle["tokens_per_second"] is None and idle["rollout_efficiency"] is None


def test_what_operations_gained_is_told_by_kind_where_they_were_valued() -> None:
    behave = at({("g0", "manager", 2, 0): "a UPDATE Ana owns a cup. -> Ana owns a kite.\nb DELETE Bo owns a fork."})
    valued = play(behave, PLAIN.model_copy(update={"op_values": True}))
    metrics = step_metrics([valued.tree], [assign(valued.tree, "grpo")], valued.report, {})
    # 21 of 22 inserts answer a question each in the end, that of the fork none; the update writes over one answer; the
    # delete takes one away. Two memories each were asked 12 questions.
    assert metrics["gain_insert"] == pytest.approx(21 / 22 / 12)
    assert (metrics["gain_update"], metrics["gain_delete"]) == (0.0, pytest.approx(-1 / 12))
    assert metrics["op_questions"] == 24 * 2 * 12
    plain = play(behave)
    found = step_metrics([plain.tree], [assign(plain.tree, "grpo")], plain.report, {})
    assert not {name for name in found if name.startswith(("gain_", "op_"))}
