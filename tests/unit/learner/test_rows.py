from __future__ import annotations

import math
from typing import Any

import pytest

from fairmem.credit import CreditConfig, assign
from fairmem.errors import CreditError
from fairmem.learner import check_rows, fresh_rows, rows_of
from fairmem.trace import Branch, EpisodeTree, RoleTurn, SessionReward
from tests.unit.learner.conftest import MakeRow


def test_rows_carry_the_sampled_tokens_and_the_credit_of_their_turn() -> None:
    def branch(index: int, reward: float) -> Branch:
        turn = RoleTurn(
            id="t", role="extractor", session=1, chunk=2, prompt="", prompt_hash="",
            prompt_ids=(5, 6), ids=(7, index), logprobs=(-0.5, -0.25),
        )  # fmt: skip
        answers = turn.model_copy(update={"id": "a", "role": "answerer", "ids": (), "logprobs": ()})
        rewards = (SessionReward(session=1, parts={"answer": reward}),)
        return Branch(id=f"b{index}", kind="global", member=index, turns=(turn, answers), rewards=rewards)

    tree = EpisodeTree(
        conversation="c", sessions=1, step=0, policy_version=9, seed=0, branches=(branch(0, 0.0), branch(1, 1.0))
    )
    rows = rows_of(tree, assign(tree, "grpo", CreditConfig(scale="mean")))
    assert [(r.rollout, r.prompt_ids, r.ids, r.logprobs, r.advantage, r.weight) for r in rows] == [
        ("b0", (5, 6), (7, 0), (-0.5, -0.25), -0.5, 1.0),
        ("b1", (5, 6), (7, 1), (-0.5, -0.25), 0.5, 1.0),
    ]
    assert {(r.group, r.kind, r.role, r.session, r.chunk, r.policy_version) for r in rows} == {
        ("c/global/1#0", "global", "extractor", 1, 2, 9)
    }
    assert rows[0].tokens == 4
    check_rows(rows)
    # The same conversation once more in the step, where the first rollout did better: its groups are others.
    again = tree.model_copy(update={"seed": 1, "branches": (branch(0, 1.0), branch(1, 0.0))})
    both = [*rows, *rows_of(again, assign(again, "grpo", CreditConfig(scale="mean")))]
    assert [row.advantage for row in both] == [-0.5, 0.5, 0.5, -0.5]
    check_rows(both)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": ()}, "no prompt tokens"),
        ({"ids": ()}, "no sampled tokens"),
        ({"ids": (3, -1)}, "negative token id"),
        ({"logprobs": (-1.0,)}, "1 log-probabilities for 2 sampled tokens"),
        ({"logprobs": (-1.0, math.nan)}, "log-probability that is not finite"),
        ({"logprobs": (-1.0, 0.5)}, "above 0"),
        ({"advantage": math.nan}, "advantage nan is not finite"),
        ({"advantages": (1.0,)}, "1 advantages for 2 sampled tokens"),
        ({"advantages": (1.0, math.nan)}, "an advantage of a token is not finite"),
        ({"weight": 0.0}, "weight 0.0"),
        ({"weight": math.inf}, "weight inf"),
    ],
)
def test_a_broken_row_is_refused_by_number_and_place(row: MakeRow, change: dict[str, Any], message: str) -> None:
    with pytest.raises(CreditError, match=rf"row 1 \(c/b1, session 1, chunk 0, manager\): .*{message}"):
        check_rows([row(), row(rollout="b1", **change)])


def test_a_group_of_one_rollout_is_refused_even_when_it_has_many_turns(row: MakeRow) -> None:
    with pytest.raises(CreditError, match="group 'g': only one rollout, 'b0'"):
        check_rows([row(chunk=0), row(chunk=1)])


def test_one_rollout_has_one_advantage_in_its_group(row: MakeRow) -> None:
    with pytest.raises(CreditError, match="'b0' has several advantages"):
        check_rows([row(), row(rollout="b1"), row(advantage=0.5, chunk=1)])


def test_a_group_does_not_mix_conversations(row: MakeRow) -> None:
    with pytest.raises(CreditError, match="rows of several conversations"):
        check_rows([row(), row(rollout="b1", conversation="d")])
    check_rows([row(), row(rollout="b1", kind="local")])  # a rollout and its rerollouts are siblings in a tree


def test_rows_of_two_policy_versions_are_not_learned_from_in_one_step(row: MakeRow) -> None:
    with pytest.raises(CreditError, match=r"several policy versions in one step: \[0, 1\]"):
        check_rows([row(), row(rollout="b1", policy_version=1)])


def test_missing_log_probabilities_are_allowed_only_when_they_are_recomputed(row: MakeRow) -> None:
    rows = [row(logprobs=()), row(logprobs=(), rollout="b1")]
    check_rows(rows, logprobs=False)
    with pytest.raises(CreditError, match="0 log-probabilities for 2"):
        check_rows(rows)


def test_demonstrations_need_no_group_and_no_log_probabilities_but_tokens(row: MakeRow) -> None:
    check_rows([row(logprobs=())], logprobs=False, compared=False)
    with pytest.raises(CreditError, match="only one rollout"):
        check_rows([row(logprobs=())], logprobs=False)
    with pytest.raises(CreditError, match="no sampled tokens"):
        check_rows([row(ids=(), logprobs=())], logprobs=False, compared=False)


def test_rows_with_advantages_per_token_may_differ_within_a_rollout_but_not_stand_alone(row: MakeRow) -> None:
    first = row(advantage=0.5, advantages=(0.5, 1.0))
    check_rows([first, row(advantage=-1.0, advantages=(-1.0, 0.0), chunk=1), row(rollout="b1")])
    with pytest.raises(CreditError, match="only one rollout, 'b0'"):
        check_rows([first])


def test_rows_of_weights_that_are_too_old_are_left_out_and_counted(row: MakeRow) -> None:
    rows = [row(rollout=f"b{age}", policy_version=9 - age) for age in range(4)]
    kept, dropped = fresh_rows(rows, 9, 2)
    assert [r.rollout for r in kept] == ["b0", "b1", "b2"] and dropped == 1
    assert fresh_rows(rows, 9, 3) == (rows, 0)


def test_a_group_that_is_left_with_one_rollout_has_nothing_to_compare_and_goes_too(row: MakeRow) -> None:
    fresh = [row(group="kept", rollout=f"k{n}", policy_version=9) for n in range(2)]
    torn = [row(group="torn", rollout="t0", policy_version=9), row(group="torn", rollout="t1", policy_version=5)]
    kept, dropped = fresh_rows([*fresh, *torn], 9, 0)
    assert kept == fresh and dropped == 2
    check_rows(kept)


def test_rows_of_a_critic_stand_alone(row: MakeRow) -> None:
    rows = [row(rollout="b0", policy_version=9, value=0.1, target=0.2), row(rollout="b1", value=0.1, target=0.2)]
    assert fresh_rows(rows, 9, 0) == ([rows[0]], 1)


def test_a_turn_that_names_its_version_gives_it_to_its_row() -> None:
    def branch(index: int, version: int | None) -> Branch:
        turn = RoleTurn(
            id="t", role="extractor", session=1, chunk=0, prompt="", prompt_hash="", prompt_ids=(5,), ids=(index,),
            logprobs=(-0.5,), policy_version=version,
        )  # fmt: skip
        rewards = (SessionReward(session=1, parts={"answer": float(index)}),)
        return Branch(id=f"b{index}", kind="global", member=index, turns=(turn,), rewards=rewards)

    tree = EpisodeTree(
        conversation="c", sessions=1, step=0, policy_version=9, seed=0, branches=(branch(0, None), branch(1, 7))
    )
    assert [r.policy_version for r in rows_of(tree, assign(tree, "grpo", CreditConfig(scale="mean")))] == [9, 7]
