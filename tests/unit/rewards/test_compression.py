"""The charge for memory that outgrows a share of the dialogue, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmem.rewards import compression_penalty


@pytest.mark.parametrize(
    ("memory", "dialogue", "tau", "weight", "expected"),
    [
        # 0.2 * (700 - 0.5 * 1000) / 1000
        (700, 1000, 0.5, 0.2, 0.04),
        # Free up to tau * W, the bound included.
        (500, 1000, 0.5, 0.2, 0.0),
        (0, 1000, 0.5, 0.2, 0.0),
        # Nothing is free: 1 * 300 / 200
        (300, 200, 0.0, 1.0, 1.5),
        (300, 200, 0.0, 0.0, 0.0),
        # 0.5 * (3 - 0.25 * 8) / 8
        (3, 8, 0.25, 0.5, 0.0625),
    ],
)
def test_only_the_share_above_tau_is_charged(
    memory: int, dialogue: int, tau: float, weight: float, expected: float
) -> None:
    assert compression_penalty(memory, dialogue, tau, weight) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.floats(0, 2), st.floats(0, 2))
def test_more_memory_never_costs_less(memory: int, dialogue: int, tau: float, weight: float) -> None:
    charge = compression_penalty(memory, dialogue, tau, weight)
    assert 0 <= charge <= compression_penalty(memory + 1, dialogue, tau, weight)


@pytest.mark.parametrize(("memory", "dialogue"), [(5, 0), (5, -1), (-1, 5)])
def test_impossible_sizes_are_refused(memory: int, dialogue: int) -> None:
    with pytest.raises(ValueError, match=f"memory {memory} and dialogue {dialogue} tokens; expected >= 0 and > 0"):
        compression_penalty(memory, dialogue, 0.5, 0.2)
