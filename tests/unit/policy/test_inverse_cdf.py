from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.policy.inverse_cdf import draw, uniforms
from fairmem.policy.torch_setup import import_torch

torch = import_torch()
# Probabilities 0.5, 0.25, 0.125, 0.125: the distribution function steps at 0.5, 0.75 and 0.875.
LOGITS = [math.log(8), math.log(4), math.log(2), math.log(2)]


def drawn(us: list[float], temperature: float, logits: list[float] = LOGITS) -> tuple[list[int], list[float]]:
    rows = len(us)
    tokens, logp = draw(
        torch.tensor([logits] * rows), torch.tensor(us, dtype=torch.float64), torch.full((rows,), temperature)
    )
    return tokens.tolist(), logp.tolist()


def test_a_token_is_the_first_whose_cumulated_probability_exceeds_the_uniform() -> None:
    tokens, logp = drawn([0.0, 0.49, 0.51, 0.74, 0.76, 0.87, 0.88, 1 - 2**-53], 1.0)

    assert tokens == [0, 0, 1, 1, 2, 2, 3, 3]
    assert logp == pytest.approx([math.log(p) for p in (0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.125, 0.125)], abs=1e-6)


def test_temperature_divides_the_logits_before_the_draw() -> None:
    # At temperature 0.5 weights 8 4 2 2 become 64 16 4 4 of 88: steps at 0.727, 0.909, 0.955.
    tokens, logp = drawn([0.70, 0.75, 0.93, 0.97], 0.5)

    assert tokens == [0, 1, 2, 3]
    assert logp == pytest.approx([math.log(w / 88) for w in (64, 16, 4, 4)], abs=1e-6)


def test_temperature_0_takes_the_most_likely_token_and_records_the_untempered_probability() -> None:
    tokens, logp = drawn([0.0, 0.99], 0.0)

    assert tokens == [0, 0]
    assert logp == pytest.approx([math.log(0.5)] * 2, abs=1e-6)


def test_a_token_of_probability_zero_is_never_drawn() -> None:
    tokens, _ = drawn([0.0, 0.3, 0.999], 1.0, [-math.inf, 0.0, -math.inf, 0.0])

    assert tokens == [1, 1, 3]


def test_a_large_vocabulary_is_drawn_from_its_whole_range() -> None:
    # 150,000 equal tokens: u picks token floor(150000 u) up to rounding of the logits.
    tokens, _ = drawn([0.1, 0.5, 0.99999], 1.0, [0.0] * 150_000)

    assert tokens == pytest.approx([15_000, 75_000, 149_998], abs=2)


def test_frequencies_follow_the_distribution() -> None:
    tokens, _ = drawn(uniforms(7, 20_000).tolist(), 1.0)

    # Standard error of a share is at most sqrt(0.25 / 20000) = 0.0035.
    assert np.bincount(tokens) / 20_000 == pytest.approx([0.5, 0.25, 0.125, 0.125], abs=0.014)


def test_more_steps_extend_the_same_sequence_and_seeds_differ() -> None:
    assert uniforms(3, 10)[:4].tolist() == uniforms(3, 4).tolist()
    assert uniforms(3, 4).tolist() != uniforms(4, 4).tolist()
    assert len(uniforms(-1, 2)) == 2


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[B, V\]"):
        draw(torch.zeros(2, 4), torch.zeros(3), torch.ones(2))
