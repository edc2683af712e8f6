"""Packing drawn by hand. Three turns: prompts 1 2 | 1 2 | 3, replies 4 5 | 6 | 7 8 9."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmem.learner import Row
from fairmem.learner.batch import PackedBatch, collate, micro_batches, pack_rows
from tests.unit.learner.conftest import MakeRow


@pytest.fixture
def three_turns(row: MakeRow) -> list[Row]:
    return [row((1, 2), (4, 5), advantage=0.5), row((1, 2), (6,), weight=0.25), row((3,), (7, 8, 9))]


def trained(batch: PackedBatch) -> str:
    """Per position of the first sequence, the tokens it is trained to predict; a dot where there are none."""
    at: dict[int, str] = {}
    for position, target in zip(batch.predictor.tolist(), batch.targets.tolist(), strict=True):
        at[position] = at.get(position, "") + str(target)
    return " ".join(at.get(position, ".") for position in range(batch.input_ids.shape[1]))


def drawn(allowed: torch.Tensor) -> list[str]:
    return ["".join("x" if cell else "." for cell in line) for line in allowed[0, 0].tolist()]


def test_the_loss_mask_of_three_turns_is_as_drawn_by_hand(three_turns: list[Row]) -> None:
    # Fed lengths are 3, 2 and 3 (the last sampled token is never fed), so the second turn comes last.
    batch = collate(three_turns, pack_rows(three_turns, range(3), 16, share_prompts=False))
    assert batch.input_ids.tolist() == [[1, 2, 4, 3, 7, 8, 1, 2]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 0, 1, 2, 0, 1]]
    assert trained(batch) == ". 4 5 7 8 9 . 6"
    assert batch.rows == (0, 2, 1)
    assert batch.turn_index.tolist() == [0, 0, 1, 1, 1, 2]
    assert batch.advantage.tolist() == [0.5, 1.0, 1.0] and batch.weights.tolist() == [1.0, 1.0, 0.25]
    assert drawn(batch.allowed) == [
        "x.......",
        "xx......",
        "xxx.....",
        "...x....",
        "...xx...",
        "...xxx..",
        "......x.",
        "......xx",
    ]


def test_rows_with_the_same_prompt_share_it_and_do_not_see_each_other(row: MakeRow) -> None:
    rows = [row((1, 2), (4, 5)), row((1, 2), (6, 7, 8)), row((3,), (9,))]
    batch = collate(rows, pack_rows(rows, range(3), 16))
    assert batch.input_ids.tolist() == [[1, 2, 4, 6, 7, 3]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 2, 3, 0]]
    assert trained(batch) == ". 46 5 7 8 9"  # the prompt's last token predicts both first tokens
    assert drawn(batch.allowed) == ["x.....", "xx....", "xxx...", "xx.x..", "xx.xx.", ".....x"]
    assert batch.tokens == 6


def test_padding_sees_only_padding_and_is_not_counted(row: MakeRow) -> None:
    rows = [row((1, 2), (4, 5)), row((3,), (6,))]
    packs = pack_rows(rows, range(2), 3)
    batch = collate(rows, packs)
    assert batch.input_ids.tolist() == [[1, 2, 4], [3, 0, 0]]
    assert batch.allowed[1, 0].tolist() == [[True, False, False], [False, True, False], [False, True, True]]
    assert batch.predictor.tolist() == [1, 2, 3]
    assert batch.tokens == 4


def test_first_fit_decreasing_places_rows_as_worked_by_hand(row: MakeRow) -> None:
    # Fed lengths 6, 5, 4, 3, 2 into packs of 10: 6 | 5 opens pack 2 | 4 fits pack 1 | 3 fits 2 | 2 fits 2.
    rows = [row((1,) * n, (4,)) for n in (3, 6, 2, 5, 4)]
    packs = pack_rows(rows, range(5), 10, share_prompts=False)
    assert [pack.units for pack in packs] == [((1,), (4,)), ((3,), (0,), (2,))]
    assert [pack.tokens for pack in packs] == [10, 10]


def test_a_row_longer_than_a_pack_gets_one_of_its_own(row: MakeRow) -> None:
    rows = [row((1,) * 20, (4,)), row((2,), (4,)), row((3,), (4,))]
    assert [pack.rows for pack in pack_rows(rows, range(3), 8)] == [(0,), (1, 2)]


def test_many_replies_to_one_prompt_are_cut_to_fit(row: MakeRow) -> None:
    # The prompt takes 4, each reply 2 more: two replies fit into 8.
    rows = [row((1, 2, 3, 4), (5, 6, 7)) for _ in range(5)]
    assert [pack.units for pack in pack_rows(rows, range(5), 8)] == [((0, 1),), ((2, 3),), ((4,),)]


def test_micro_batches_stay_within_their_tokens_padding_included(row: MakeRow) -> None:
    rows = [row((1,) * n, (4,)) for n in (8, 8, 7, 3, 3)]
    packs = pack_rows(rows, range(5), 8, share_prompts=False)
    batches = micro_batches(packs, 16)
    # Packs of 8, 8, 7 and 3 + 3 = 6 tokens; two of length 8 (or 7) fit into 16.
    assert [[pack.tokens for pack in batch] for batch in batches] == [[8, 8], [7, 6]]
    # Packs of 8 and 7 would be padded to 16.
    assert [[pack.tokens for pack in batch] for batch in micro_batches(packs, 15)] == [[8], [8], [7, 6]]
    assert [len(batch) for batch in micro_batches(packs, 1)] == [1, 1, 1, 1]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 6), st.booleans()), min_size=1, max_size=20),
    st.integers(4, 24),
    st.booleans(),
)
def test_every_sampled_token_is_trained_once_in_its_own_turn(
    shapes: list[tuple[int, int, bool]], pack_tokens: int, share: bool
) -> None:
    def one(index: int, prompt: int, sampled: int, same: bool) -> Row:
        prompt_ids, ids = (1,) * prompt if same else (2, index) * prompt, tuple(range(10, 10 + sampled))
        return Row(prompt_ids, ids, (-1.0,) * sampled, 1.0, 1.0, "g", "global", "manager", "c", "b", 1, 0, 0)

    rows = [one(index, *shape) for index, shape in enumerate(shapes)]
    packs = pack_rows(rows, range(len(rows)), pack_tokens, share)
    assert sorted(r for pack in packs for r in pack.rows) == list(range(len(rows)))
    batch = collate(rows, packs)
    seen = [tuple(batch.targets[batch.turn_index == u].tolist()) for u in range(len(batch.rows))]
    assert seen == [rows[r].ids for r in batch.rows]
    for pack in packs:
        assert pack.tokens <= pack_tokens or len(pack.rows) == 1


def test_advantages_per_token_follow_the_tokens_and_those_of_other_rows_are_repeated(three_turns: list[Row]) -> None:
    packs = pack_rows(three_turns, range(3), 16, share_prompts=False)
    assert collate(three_turns, packs).token_advantage is None
    rows = [*three_turns[:2], replace(three_turns[2], advantages=(1.0, 2.0, -3.0))]
    batch = collate(rows, packs)
    assert batch.token_advantage is not None
    # In the order of the batch: row 0 (0.5 for both tokens), row 2, row 1 (1.0).
    assert batch.token_advantage.tolist() == [0.5, 0.5, 1.0, 2.0, -3.0, 1.0]
