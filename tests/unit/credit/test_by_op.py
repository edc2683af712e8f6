"""Two rollouts of one chunk with two dialogue turns, D1:1 and D1:2. Tokens are numbered in the comments.

Extractor, 6 tokens: fact of D1:1 (0, 1), a break (2), fact of D1:2 (3, 4), the end (5).
Manager, 5 tokens: operation about D1:1 (0), a break (1), about D1:2 (2, 3), the end (4).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fairmem.credit import CreditConfig, assign
from fairmem.errors import CreditError
from fairmem.learner import check_rows, rows_of
from fairmem.trace import Branch, EpisodeTree, Line, OpGain, OpRecord, Role, RoleTurn

RULE = CreditConfig(rule="counterfactual_op", scale="mean")
FACTS = (Line(first=0, last=2, source="D1:1"), Line(first=3, last=5, source="D1:2"))
OPS = (Line(first=0, last=1, source="D1:1", op=0), Line(first=2, last=4, source="D1:2", op=1))


def turn(role: Role, tokens: int, lines: tuple[Line, ...], ops: tuple[OpRecord, ...] = (), **more: Any) -> RoleTurn:
    values: dict[str, Any] = {"id": role, "session": 1, "chunk": 0, **more}
    return RoleTurn(
        role=role, prompt="", prompt_hash="", prompt_ids=(9,), ids=tuple(range(tokens)),
        logprobs=(-1.0,) * tokens, lines=lines, ops=ops, **values,
    )  # fmt: skip


def op(source: str | None, outcome: str = "applied", name: str = "INSERT") -> OpRecord:
    return OpRecord(op=name, outcome=outcome, source=source, entry=1)


def branch(number: int, gains: dict[int, float], turns: tuple[RoleTurn, ...] | None = None, **parts: float) -> Branch:
    if turns is None:
        turns = (turn("extractor", 6, FACTS), turn("manager", 5, OPS, (op("D1:1"), op("D1:2"))))
    found = tuple(OpGain(turn="manager", op=at, parts={"answer": gain, **parts}) for at, gain in gains.items())
    return Branch(id=f"g{number}", kind="global", member=number, turns=turns, gains=found)


def tree(*branches: Branch) -> EpisodeTree:
    return EpisodeTree(conversation="c", sessions=1, step=0, policy_version=0, seed=0, branches=branches)


def tokens(branches: tuple[Branch, ...], settings: CreditConfig = RULE) -> dict[tuple[str, str], list[float]]:
    credit = assign(tree(*branches), settings=settings)
    return {key: [round(value, 9) for value in values] for key, values in credit.tokens.items()}


def test_every_line_and_the_break_before_it_get_the_credit_of_its_operation() -> None:
    # D1:1: gains 0.5 and 0, mean 0.25. D1:2: gains 0.25 and 1, mean 0.625.
    # g0: +0.25 and -0.375, g1 the opposite. Nothing was left out, so the end has no credit.
    found = tokens((branch(0, {0: 0.5, 1: 0.25}), branch(1, {1: 1.0})))
    assert found["g0", "manager"] == [0.25, -0.375, -0.375, -0.375, 0.0]
    assert found["g0", "extractor"] == [0.25, 0.25, -0.375, -0.375, -0.375, 0.0]
    assert found["g1", "manager"] == [-0.25, 0.375, 0.375, 0.375, 0.0]


def test_a_reply_that_wrote_nothing_is_judged_by_what_was_missed() -> None:
    silent = branch(1, {}, (turn("extractor", 2, ()),))
    # D1:1: 0.5 and 0; D1:2: -0.25 and 0. g1 missed 0.5 and was spared 0.25: (-0.25 + 0.125) / 2.
    found = tokens((branch(0, {0: 0.5, 1: -0.25}), silent))
    assert found["g1", "extractor"] == [-0.0625, -0.0625]
    assert ("g1", "manager") not in found


def test_a_manager_answers_for_the_facts_it_was_given_only() -> None:
    one_fact = (turn("extractor", 3, FACTS[:1]), turn("manager", 2, OPS[:1], (op("D1:1"),)))
    found = tokens((branch(0, {0: 0.5, 1: 0.5}), branch(1, {0: 1.0}, one_fact)))
    # D1:1: 0.5 and 1; D1:2: 0.5 and 0. g1's manager made the better of D1:1 and never heard of D1:2; its extractor
    # ended without D1:2.
    assert found["g1", "manager"] == [0.25, 0.0]
    assert found["g1", "extractor"] == [0.25, 0.25, -0.25]


def test_lines_that_could_not_be_read_get_what_the_reply_left_out() -> None:
    # An extractor of 9 tokens: a fact of D1:1 (0, 1), a break and a line that could not be read (2 to 5), a break and a
    # fact of D1:1 again, said otherwise (6, 7), the end (8). It left D1:2 out, which was worth 1 to g0.
    broken = turn("extractor", 9, (FACTS[0], Line(first=7, last=8, source="D1:1")))
    one = (broken, turn("manager", 2, OPS[:1], (op("D1:1"),)))
    found = tokens((branch(0, {0: 0.5, 1: 1.0}), branch(1, {0: 1.0}, one)))
    assert found["g1", "extractor"] == [0.25, 0.25, -0.5, -0.5, -0.5, -0.5, 0.25, 0.25, -0.5]


def test_two_operations_about_one_turn_have_each_their_own_gain() -> None:
    lines = (OPS[0], OPS[1].model_copy(update={"source": "D1:1"}))
    twice = (turn("extractor", 3, FACTS[:1]), turn("manager", 5, lines, (op("D1:1"), op("D1:1"))))
    none = (turn("extractor", 1, ()),)
    # 0.75 - 0.25 = 0.5 against 0: mean 0.25, half of it for each: 0.75 - 0.125 and -0.25 - 0.125; the fact has both.
    found = tokens((branch(0, {0: 0.75, 1: -0.25}, twice), branch(1, {}, none)))
    assert found["g0", "manager"] == [0.625, -0.375, -0.375, -0.375, 0.0]
    assert found["g0", "extractor"] == [0.25, 0.25, 0.0]


def test_what_has_no_contrast_gives_its_line_no_credit_and_a_reply_of_it_alone_no_row() -> None:
    found = tokens((branch(0, {0: 0.5, 1: 0.25}), branch(1, {0: 0.0, 1: 0.25})))
    assert found["g0", "manager"] == [0.25, 0.0, 0.0, 0.0, 0.0]
    assert tokens((branch(0, {0: 0.5}), branch(1, {0: 0.5}))) == {}


def test_a_penalty_that_an_operation_raises_is_taken_off_its_gain() -> None:
    found = tokens((branch(0, {0: 0.5}, compression_penalty=0.1), branch(1, {})))
    assert found["g0", "manager"][0] == pytest.approx(0.2)  # (0.5 - 0.1) / 2


def test_operations_that_name_no_dialogue_turn_are_compared_within_their_chunk() -> None:
    nameless = (Line(first=0, last=1, source=None, op=0),)
    turns = (turn("extractor", 1, ()), turn("manager", 2, nameless, (op(None, name="DELETE"),)))
    found = tokens((branch(0, {0: -0.5}, turns), branch(1, {}, turns)))
    assert (found["g0", "manager"], found["g1", "manager"]) == ([-0.25, 0.0], [0.25, 0.0])


def test_a_gain_that_could_not_be_measured_leaves_the_rollout_out() -> None:
    lost = branch(0, {0: 0.5})
    lost = lost.model_copy(update={"gains": (OpGain(turn="manager", op=0, parts={"answer": None}),)})
    credit = assign(tree(lost, branch(1, {0: 1.0}), branch(2, {})), settings=RULE)
    assert ("g0", "manager") not in credit.tokens
    assert credit.tokens["g1", "manager"][0] == 0.5


def test_a_single_agent_answers_for_its_whole_chunk() -> None:
    def single(lines: tuple[Line, ...], ops: tuple[OpRecord, ...]) -> tuple[RoleTurn, ...]:
        return (turn("single", 5, lines, ops, id="manager"),)

    both, none = branch(0, {0: 0.5, 1: 0.25}, single(OPS, (op("D1:1"), op("D1:2")))), branch(1, {}, single((), ()))
    found = tokens((both, none))
    assert found["g0", "manager"] == [0.25, 0.125, 0.125, 0.125, 0.0]
    assert found["g1", "manager"] == [-0.1875] * 5


def test_rows_carry_the_credit_of_their_tokens_and_pass_the_learners_checks() -> None:
    played = tree(branch(0, {0: 0.5, 1: 0.25}), branch(1, {1: 1.0}))
    rows = rows_of(played, assign(played, settings=RULE))
    check_rows(rows)
    assert [(row.role, row.group) for row in rows] == [("extractor", "c/ops/1.0#0"), ("manager", "c/ops/1.0#0")] * 2
    assert rows[1].advantage == -0.0625 and rows[1].advantages is not None
    assert np.allclose(rows[1].advantages, [0.25, -0.375, -0.375, -0.375, 0.0])


def test_a_tree_whose_operations_were_not_valued_is_refused() -> None:
    bare = branch(0, {}, (turn("manager", 2, (), (op("D1:1"),)),))
    with pytest.raises(CreditError, match=r"conversation 'c': its operations have no values; .*rollout\.op_values"):
        assign(tree(bare, bare.model_copy(update={"id": "g1"})), settings=RULE)
