from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fairmem.policy.microbatch import Limits, Span, plan


def test_prompts_are_sorted_by_length_and_cut_at_the_row_limit() -> None:
    spans = [Span(9, 1), Span(2, 1), Span(5, 1), Span(3, 1), Span(7, 1)]

    # Lengths 2 3 | 5 7 | 9.
    assert plan(spans, Limits(rows=2, tokens=1000)) == [[1, 3], [2, 4], [0]]


def test_kinds_are_kept_apart_in_order_of_first_appearance() -> None:
    spans = [Span(5, 1, "manager"), Span(4, 1, "extractor"), Span(3, 1, "manager")]

    assert plan(spans, Limits(rows=8, tokens=1000)) == [[2, 0], [1]]


def test_padding_and_room_for_new_tokens_count_against_the_token_budget() -> None:
    spans = [Span(2, 4), Span(6, 4), Span(8, 4)]

    # Two rows padded to 6 + 4 take 20 positions; three padded to 8 + 4 would take 36.
    assert plan(spans, Limits(rows=8, tokens=20)) == [[0, 1], [2]]
    assert plan(spans, Limits(rows=8, tokens=36)) == [[0, 1, 2]]


def test_the_limit_on_new_tokens_counts_the_longest_reply_of_each_row() -> None:
    spans = [Span(1, 2), Span(2, 2), Span(3, 5)]

    # Two rows of 2 are 4; three rows of 5 would be 15.
    assert plan(spans, Limits(rows=8, tokens=1000, new_tokens=10)) == [[0, 1], [2]]


def test_a_long_prompt_and_a_long_reply_do_not_push_each_other_past_the_context() -> None:
    # Each fits 100 alone, but padded together they would take 90 + 80 positions.
    assert plan([Span(10, 80), Span(90, 10)], Limits(rows=8, tokens=1000, context=100)) == [[0], [1]]


def test_a_request_larger_than_the_budget_goes_alone() -> None:
    assert plan([Span(50, 50), Span(1, 1)], Limits(rows=8, tokens=10)) == [[1], [0]]


@given(
    st.lists(st.builds(Span, st.integers(1, 40), st.integers(1, 20), st.sampled_from("ab")), max_size=30),
    st.builds(Limits, st.integers(1, 6), st.integers(1, 200), st.none() | st.integers(1, 60)),
)
def test_every_request_is_in_one_batch_and_no_batch_breaks_a_limit(spans: list[Span], limits: Limits) -> None:
    batches = plan(spans, limits)

    assert sorted(index for batch in batches for index in batch) == list(range(len(spans)))
    for batch in batches:
        rows = [spans[index] for index in batch]
        assert len({row.tag for row in rows}) == 1
        prompt, new = max(row.prompt for row in rows), max(row.new for row in rows)
        assert len(rows) == 1 or len(rows) <= limits.rows
        assert len(rows) == 1 or len(rows) * (prompt + new) <= limits.tokens
        assert len(rows) == 1 or limits.new_tokens is None or len(rows) * new <= limits.new_tokens


def test_a_long_prompt_does_not_make_many_short_ones_long() -> None:
    spans = [Span(10, 5)] * 20 + [Span(100, 5)]
    # 21 rows of 100 positions for 300 tokens are 7 per token.
    assert plan(spans, Limits(rows=64, tokens=10_000, padding=2.0)) == [list(range(20)), [20]]
    assert plan(spans, Limits(rows=64, tokens=10_000)) == [list(range(21))]


def test_small_batches_are_not_split_for_their_padding() -> None:
    spans = [Span(10, 5)] * 8 + [Span(100, 5)]
    assert plan(spans, Limits(rows=64, tokens=10_000, padding=2.0)) == [list(range(9))]


def test_requests_on_one_prompt_stand_together_among_prompts_of_the_same_length() -> None:
    spans = [Span(10, 5, sort=number) for number in (0, 1, 0, 1)]
    assert plan(spans, Limits(rows=2, tokens=1000)) == [[0, 2], [1, 3]]
