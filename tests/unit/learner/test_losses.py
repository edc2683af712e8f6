"""Every expected value is worked by hand beside it. Ratios are given as logs, so exp() gives them back."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from fairmem.learner.losses import (
    Aggregation,
    PolicyLoss,
    Ratio,
    aggregate,
    denominator,
    entropy,
    imitation_loss,
    k3_kl,
    policy_loss,
    token_logprobs,
    turn_mean,
)


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def one_turn(ratio: float, advantage: float, dual_clip: float = 3.0) -> PolicyLoss:
    zero, index = tensor(0.0), torch.tensor([0])
    return policy_loss(tensor(math.log(ratio)), zero, tensor(advantage), index, tensor(1.0), (0.2, 0.3), dual_clip)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "clipped"),
    [
        (1.0, 2.0, -2.0, False),
        (1.1, 1.0, -1.1, False),
        (1.5, 1.0, -1.3, True),  # clipped at 1 + 0.3
        (0.5, 1.0, -0.5, False),  # a good turn that became unlikely keeps its gradient
        (0.5, -1.0, 0.8, True),  # clipped at 1 - 0.2
        (1.5, -1.0, 1.5, False),  # a bad turn that became likely keeps its gradient
        (5.0, -1.0, 3.0, True),  # dual clip at 3 |A|
        (5.0, -0.5, 1.5, True),
    ],
)
def test_clips_act_where_the_papers_say(ratio: float, advantage: float, loss: float, clipped: bool) -> None:
    result = one_turn(ratio, advantage)
    assert result.loss.item() == pytest.approx(loss)
    assert result.clipped.tolist() == [clipped]
    assert result.ratio.tolist() == pytest.approx([ratio])


def test_without_dual_clip_a_bad_turn_costs_its_whole_ratio_up_to_e_cubed() -> None:
    assert one_turn(5.0, -1.0, dual_clip=0.0).loss.item() == pytest.approx(5.0)
    assert one_turn(1000.0, -1.0, dual_clip=0.0).loss.item() == pytest.approx(20.085537)  # e^3


def test_a_clipped_term_has_no_gradient_and_an_unclipped_one_has() -> None:
    def gradient(ratio: float, advantage: float) -> float:
        logp = tensor(math.log(ratio)).requires_grad_()
        policy_loss(logp, tensor(0.0), tensor(advantage), torch.tensor([0]), tensor(1.0)).loss.backward()
        assert logp.grad is not None
        return logp.grad.item()

    assert gradient(1.5, 1.0) == 0.0
    assert gradient(5.0, -1.0) == 0.0
    assert gradient(1.1, 1.0) == pytest.approx(-1.1)  # d(-r A) / d log p = -r A
    assert gradient(1.0, -2.0) == pytest.approx(2.0)


# Turn 0 has two tokens with ratios 1.1 and 1.0 and A = 1; turn 1 has one token with ratio 0.9 and A = 2.
LOGP = tensor(math.log(1.1), 0.0, math.log(0.9))
TURNS = torch.tensor([0, 0, 1])
A = tensor(1.0, 2.0)


@pytest.mark.parametrize(
    ("ratio", "aggregation", "weights", "expected"),
    [
        # Token values -1.1, -1.0, -1.8.
        ("token", "turn", (1.0, 1.0), -1.425),  # (-1.05 - 1.8) / 2
        ("token", "token", (1.0, 1.0), -1.3),  # -3.9 / 3
        ("token", "turn", (1.0, 0.5), -1.3),  # (-1.05 - 0.9) / 1.5
        ("token", "token", (1.0, 0.5), -1.2),  # (-2.1 - 0.9) / 2.5
        # Turn ratios exp(ln 1.1 / 2) = 1.0488088 and 0.9: values -1.0488088, -1.8.
        ("turn", "turn", (1.0, 1.0), -1.4244044),
        ("turn", "turn", (3.0, 1.0), -1.2366066),  # (-3.1464265 - 1.8) / 4
        ("turn", "token", (1.0, 1.0), -1.2992059),  # (-2.0976177 - 1.8) / 3
    ],
)
def test_ratio_and_aggregation_give_the_values_worked_by_hand(
    ratio: Ratio, aggregation: Aggregation, weights: tuple[float, float], expected: float
) -> None:
    result = policy_loss(LOGP, torch.zeros_like(LOGP), A, TURNS, tensor(*weights), ratio=ratio, aggregation=aggregation)
    assert result.loss.item() == pytest.approx(expected, abs=1e-6)
    assert len(result.ratio) == (3 if ratio == "token" else 2)


def test_the_turn_ratio_depends_on_the_mean_log_ratio_and_not_on_the_length() -> None:
    old = torch.zeros(8, dtype=torch.float64)
    long = policy_loss(old + 0.1, old, tensor(1.0), torch.zeros(8, dtype=torch.long), tensor(1.0))
    short = policy_loss(old[:1] + 0.1, old[:1], tensor(1.0), torch.zeros(1, dtype=torch.long), tensor(1.0))
    assert long.ratio.item() == pytest.approx(math.exp(0.1)) == short.ratio.item()


def test_parts_of_a_batch_add_up_to_the_whole_when_they_share_its_denominator() -> None:
    weights = tensor(1.0, 0.5)
    for aggregation in ("turn", "token"):
        whole = aggregate(A, TURNS, weights, aggregation)
        total = denominator(TURNS, weights, aggregation)
        first = aggregate(A[:1], TURNS[:2], weights[:1], aggregation, total)
        second = aggregate(A[1:], TURNS[2:] - 1, weights[1:], aggregation, total)
        assert (first + second).item() == pytest.approx(whole.item())
    # By tokens: (2 * 1 * 1 + 1 * 0.5 * 2) / (2 * 1 + 1 * 0.5) = 3 / 2.5.
    assert aggregate(A, TURNS, weights, "token").item() == pytest.approx(1.2)


def test_turn_mean_is_the_mean_of_each_turns_tokens() -> None:
    assert turn_mean(tensor(1.0, 2.0, 5.0), TURNS, 2).tolist() == [1.5, 5.0]


def test_k3_is_zero_where_the_models_agree_positive_elsewhere_and_bounded() -> None:
    # d = ln 2: 2 - ln 2 - 1 = 0.3068528; d = -ln 2: 0.5 + ln 2 - 1 = 0.1931472; d = 20: cut at 10.
    estimate = k3_kl(tensor(-1.0, -1.0, -1.0, -30.0), tensor(-1.0, -1.0 + math.log(2), -1.0 - math.log(2), -10.0))
    assert estimate.tolist() == pytest.approx([0.0, 0.3068528, 0.1931472, 10.0], abs=1e-7)


def test_k3_averages_to_the_kl_divergence_under_the_policy() -> None:
    p, q = tensor(0.5, 0.3, 0.2), tensor(0.2, 0.3, 0.5)
    # KL = 0.5 ln 2.5 + 0 + 0.2 ln 0.4 = 0.4581454 - 0.1832581 = 0.2748872
    assert (p * k3_kl(p.log(), q.log())).sum().item() == pytest.approx(0.2748872, abs=1e-7)


def test_entropy_and_token_log_probabilities_of_known_distributions() -> None:
    logits = torch.stack([torch.zeros(2, dtype=torch.float64), tensor(0.0, math.log(3))])
    # Uniform over 2: ln 2. (1/4, 3/4): 0.25 ln 4 + 0.75 ln(4/3) = 0.3465736 + 0.2157616.
    assert entropy(logits).tolist() == pytest.approx([0.6931472, 0.5623351], abs=1e-7)
    assert token_logprobs(logits, torch.tensor([1, 0])).tolist() == pytest.approx([-0.6931472, -1.3862944], abs=1e-7)


def test_imitation_is_cross_entropy_per_turn_times_advantage() -> None:
    # Turn 0: -(-1 - 3) / 2 = 2 nats per token; turn 1: 0.5, at weight 3.
    logp = torch.tensor([-1.0, -3.0, -0.5])
    turn, weights = torch.tensor([0, 0, 1]), torch.tensor([1.0, 3.0])
    ones = torch.ones(2)
    assert imitation_loss(logp, ones, turn, weights).item() == pytest.approx((2.0 + 3 * 0.5) / 4)
    # Over tokens: (1 x 4 nats + 3 x 0.5) over 2 + 3 tokens of weight.
    assert imitation_loss(logp, ones, turn, weights, "token").item() == pytest.approx((4.0 + 1.5) / 5)
    assert imitation_loss(logp, torch.tensor([0.0, 2.0]), turn, weights).item() == pytest.approx(3 * 1.0 / 4)


def test_advantages_per_token_reach_each_token_whatever_the_ratio_is_taken_over() -> None:
    each = tensor(1.0, -2.0, 3.0)
    # At sampling the ratio is 1 for token and turn alike: (-1 + 2) / 2 = 0.5 and -3, mean -1.25.
    # d / d log p: -A / (tokens of its turn) / (2 turns).
    for ratio in ("token", "turn"):
        logp = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        found = policy_loss(logp, torch.zeros_like(logp), A, TURNS, tensor(1.0, 1.0), ratio=ratio, token_advantage=each)
        found.loss.backward()
        assert found.loss.item() == -1.25
        assert logp.grad is not None and logp.grad.tolist() == [-0.25, 0.5, -1.5]
        assert found.ratio.shape == found.clipped.shape == (3,)


def test_equal_advantages_per_token_are_the_turns_own_in_value_and_gradient() -> None:
    def both(**more: Any) -> tuple[float, list[float]]:
        logp = LOGP.clone().requires_grad_()
        found = policy_loss(logp, torch.zeros_like(logp), A, TURNS, tensor(1.0, 0.5), **more)
        found.loss.backward()
        assert logp.grad is not None
        return found.loss.item(), logp.grad.tolist()

    whole, split = both(), both(token_advantage=A[TURNS])
    assert split[0] == pytest.approx(whole[0]) and split[1] == pytest.approx(whole[1])


def test_a_turn_is_clipped_by_its_ratio_for_the_tokens_whose_advantage_asks_for_it() -> None:
    # Ratio 1.5 for both tokens: the good one is clipped at 1.2 and has no gradient, the bad one is not.
    logp = torch.full((2,), math.log(1.5), dtype=torch.float64, requires_grad=True)
    turn = torch.zeros(2, dtype=torch.long)
    found = policy_loss(logp, torch.zeros_like(logp), tensor(9.0), turn, tensor(1.0), token_advantage=tensor(1.0, -1.0))
    found.loss.backward()
    assert found.loss.item() == pytest.approx((-1.2 + 1.5) / 2) and found.clipped.tolist() == [True, False]
    assert logp.grad is not None and logp.grad.tolist() == pytest.approx([0.0, 0.75])
