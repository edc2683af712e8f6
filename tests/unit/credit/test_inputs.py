"""Rollouts g0 and g1 over two sessions; what a rule sees of them beyond rewards."""

from __future__ import annotations

import numpy as np
import pytest

from fairmem.credit import Need
from fairmem.credit.inputs import Hindsight, LocalGroups, read_inputs, sessions_asked
from fairmem.credit.rule import RuleInput
from fairmem.errors import CreditError
from fairmem.trace import Branch, EpisodeTree, OpRecord, QuizItem, RoleTurn, SessionReward


def manager(session: int, chunk: int, after: str, *ops: OpRecord, ids: int = 1) -> RoleTurn:
    return RoleTurn(
        id=f"manager-{session}.{chunk}", role="manager", session=session, chunk=chunk, prompt="", prompt_hash="",
        ids=(7,) * ids, bank_after=after, ops=ops,
    )  # fmt: skip


def extractor(session: int, chunk: int) -> RoleTurn:
    return RoleTurn(
        id=f"extractor-{session}.{chunk}", role="extractor", session=session, chunk=chunk, prompt="", prompt_hash="",
        ids=(7,),
    )  # fmt: skip


def wrote(entry: int | None, op: str = "INSERT", outcome: str = "applied") -> OpRecord:
    return OpRecord(op=op, outcome=outcome, entry=entry)


def shown(*entries: int) -> QuizItem:
    return QuizItem(question="q", category="single_hop", after_session=2, gold="", score=1.0, shown=entries)


def scored(*scores: float | None, first: int = 1) -> tuple[SessionReward, ...]:
    return tuple(SessionReward(session=s, parts={"answer": x}, questions=2) for s, x in enumerate(scores, first))


def branch(index: int, *turns: RoleTurn, values: tuple[SessionReward, ...] = (), **fields: object) -> Branch:
    made = Branch(
        id=f"g{index}", kind="global", member=index, start_bank="empty", turns=turns, rewards=scored(0.0, 1.0),
        values=values,
    )  # fmt: skip
    return made.model_copy(update=fields)


def rerollout(name: str, session: int, reward: float | None, ends: int = 2) -> Branch:
    return Branch(
        id=name, kind="local", member=0, parent="g0", fork_session=session,
        rewards=(SessionReward(session=ends, parts={"answer": reward}),),
    )  # fmt: skip


def read(
    *branches: Branch, forks: LocalGroups | None = None, hindsight: Hindsight | None = None, needs: set[Need]
) -> RuleInput:
    tree = EpisodeTree(conversation="c", sessions=2, step=0, policy_version=0, seed=0, branches=branches)
    return read_inputs(tree, branches, forks or {}, frozenset(needs), False, hindsight)


def test_what_no_rule_needs_is_not_read() -> None:
    given = read(branch(0), needs=set())
    assert (given.anchors_G_S, given.values_G_S1, given.used_G_S_K, given.forest) == (None, None, None, None)
    assert given.rewards_G_S.tolist() == [[0.0, 1.0]] and given.trajectory_G is not None
    assert given.trajectory_G.tolist() == [0.5]


def test_a_states_name_is_the_memory_that_the_last_turn_before_it_left() -> None:
    quiet = branch(0, extractor(1, 0), extractor(2, 0))
    busy = branch(1, manager(1, 0, "a"), manager(1, 1, "b"), manager(2, 0, "c"))
    given = read(quiet, busy, needs={Need.ANCHORS})
    assert given.anchors_G_S is not None
    assert given.anchors_G_S.tolist() == [["empty", "empty"], ["empty", "b"]]


def test_values_are_read_by_session_and_a_missing_score_is_missing() -> None:
    given = read(branch(0, values=scored(0.1, None, 0.7, first=0)), needs={Need.STATE_VALUES})
    assert given.values_G_S1 is not None
    assert given.values_G_S1[0].tolist()[::2] == [0.1, 0.7] and np.isnan(given.values_G_S1[0, 1])


def test_the_answers_of_values_are_weighed_and_their_penalties_are_not() -> None:
    charged = SessionReward(session=2, parts={"answer": 0.5, "compression_penalty": 0.25}, questions=2)
    tree = EpisodeTree(
        conversation="c", sessions=2, step=0, policy_version=0, seed=0,
        branches=(branch(0, values=(*scored(0.0, 0.25, first=0), charged)),),
    )  # fmt: skip
    given = read_inputs(tree, tree.branches, {}, frozenset({Need.STATE_VALUES}), False, answers=3.0)
    assert given.values_G_S1 is not None and given.values_G_S1.tolist() == [[0.0, 0.75, 1.25]]
    assert given.rewards_G_S.tolist() == [[0.0, 1.0]]  # a session's own reward is in its own unit already


def test_a_tree_that_was_rolled_out_without_values_is_refused() -> None:
    with pytest.raises(CreditError, match=r"'g0' has no values .*; roll out with rollout.state_values = true"):
        read(branch(0, values=scored(0.5, first=2)), needs={Need.STATE_VALUES})


def test_an_entry_counts_for_the_chunk_that_wrote_it_last() -> None:
    one = branch(
        0,
        manager(1, 0, "a", wrote(1), wrote(2), wrote(None, "INSERT", "unknown_speaker")),
        manager(2, 1, "b", wrote(1, "UPDATE"), wrote(2, "UPDATE", "unchanged"), wrote(2, "DELETE")),
        quiz=(shown(1, 2), shown(1), shown(9)),
    )
    given = read(one, needs={Need.PROVENANCE})
    assert given.used_G_S_K is not None
    # Entry 1 was rewritten in session 2, chunk 1, and shown twice; entry 2 is as session 1, chunk 0 wrote it.
    assert given.used_G_S_K.tolist() == [[[1.0, 0.0], [0.0, 2.0]]]


def test_hindsight_is_averaged_over_the_tokens_of_a_session() -> None:
    turns = (extractor(1, 0), manager(1, 0, "a", ids=3), extractor(2, 0))
    logp = {("g0", "extractor-1.0"): -1.0, ("g0", "manager-1.0"): -2.0}
    given = read(branch(0, *turns), hindsight=logp, needs={Need.HINDSIGHT_LOGPROB})
    assert given.hindsight_G_S is not None
    # (1 * -1 + 3 * -2) / 4; session 2 was not scored.
    assert given.hindsight_G_S[0, 0] == -1.75 and np.isnan(given.hindsight_G_S[0, 1])
    with pytest.raises(CreditError, match="needs log-probabilities given the outcome"):
        read(branch(0, *turns), needs={Need.HINDSIGHT_LOGPROB})


def test_rerollouts_hang_on_the_session_before_their_fork() -> None:
    forks = {("g0", 1): [rerollout("a", 1, 0.2)], ("g0", 2): [rerollout("b", 2, 0.4), rerollout("d", 2, None)]}
    final = scored(0.5, first=2)
    given = read(branch(0, values=final), branch(1, values=final), forks=forks, needs={Need.TREE})
    assert given.forest is not None
    forest = given.forest
    # g0 is 0-1 and g1 is 2-3; a is 4-5 below the root; b and d are 6 and 7 below 0.
    assert forest.parents_N.tolist() == [-1, 0, -1, 2, -1, 4, 0, 0]
    assert forest.global_G_S.tolist() == [[0, 1], [2, 3]]
    assert [nodes.tolist() for nodes in forest.local] == [[[4, 5]], [[6], [7]]]
    assert forest.rewards_leaves.tolist()[:4] == [0.5, 0.5, 0.2, 0.4] and np.isnan(forest.rewards_leaves[4])


def test_what_a_failed_rollout_shares_with_its_rerollouts_is_still_a_path() -> None:
    forks = {("gone", 2): [rerollout("b", 2, 0.4), rerollout("d", 2, 0.6)]}
    given = read(branch(0, values=scored(0.5, first=2)), forks=forks, needs={Need.TREE})
    assert given.forest is not None
    assert given.forest.parents_N.tolist() == [-1, 0, -1, 2, 2]
    assert given.forest.rewards_leaves.tolist() == [0.5, 0.4, 0.6]


def test_rerollouts_that_stop_early_are_no_leaves() -> None:
    forks = {("g0", 1): [rerollout("a", 1, 0.2, ends=1)]}
    for need in (Need.TREE, Need.CONTINUATIONS):
        with pytest.raises(CreditError, match=r"'a' ends after session 1 of 2; raise rollout\.local_horizon"):
            read(branch(0), forks=forks, needs={need})


def test_the_rollouts_own_session_is_no_rerollout_of_it() -> None:
    forks = {("g0", 1): [rerollout("own", 1, 0.2).model_copy(update={"reused": True})]}
    with pytest.raises(CreditError, match=r"'own' is the rollout's own session; set rollout\.local_reuse = false"):
        read(branch(0), forks=forks, needs={Need.TREE})


def test_a_memory_is_worth_the_mean_of_what_its_continuations_earned() -> None:
    forks = {("g0", 1): [rerollout("a", 1, 0.2), rerollout("b", 1, 0.4)], ("g0", 2): [rerollout("d", 2, None)]}
    given = read(branch(0, values=scored(0.9, first=2)), branch(1), forks=forks, needs={Need.CONTINUATIONS})
    assert given.values_G_S1 is not None
    assert given.values_G_S1[0, 0] == pytest.approx(0.3) and given.values_G_S1[0, 2] == 0.9
    assert np.isnan(given.values_G_S1[0, 1]) and np.isnan(given.values_G_S1[1]).all()


def asked(total: int, *questions: int) -> Branch:
    """A rollout whose quiz has `total` items, and whose sessions earn from `questions` each."""
    item = QuizItem(question="q", category="single_hop", after_session=3, gold="", score=1.0)
    rewards = tuple(SessionReward(session=s, parts={"answer": 1.0}, questions=n) for s, n in enumerate(questions, 1))
    return Branch(id="g0", kind="global", member=0, quiz=(item,) * total, rewards=rewards)


@pytest.mark.parametrize(
    ("total", "questions", "expected"),
    [
        (6, (1, 2, 3), 3.0),  # every question has a session of its own: 6 / 2
        (6, (2, 0, 4), 2.0),  # a session that no question is about does not count: 6 / 3
        (4, (3, 3), 4 / 3),  # two of four questions are about both sessions
        (6, (6, 6, 6), 1.0),  # every session earns from all questions
        (0, (), 1.0),  # nothing was asked, so there is nothing to weigh
    ],
)
def test_a_question_weighs_more_in_its_session_than_in_the_whole(
    total: int, questions: tuple[int, ...], expected: float
) -> None:
    assert sessions_asked([asked(total, *questions)]) == pytest.approx(expected)


def test_rollouts_of_a_group_have_one_unit_even_where_one_of_them_was_asked_nothing() -> None:
    assert sessions_asked([asked(6, 1, 2, 3), asked(0)]) == 3.0
