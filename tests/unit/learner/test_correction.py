"""Importance weights between sampler and learner; every expected value is worked by hand beside it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from fairmem.config import LearnerConfig, parse_recipe
from fairmem.errors import ConfigError, CreditError
from fairmem.learner import Learner, Row
from fairmem.learner.correction import Level, Mode, correct
from fairmem.learner.losses import Ratio, policy_loss
from tests.unit.learner.conftest import MakeModel, MakeRows

# The learner finds the three tokens 1.5, 4 and 0.25 times as likely as the sampler did; the first two are one turn.
SAMPLER = torch.tensor([-2.0, -3.0, -1.0], dtype=torch.float64)
LEARNER = SAMPLER + torch.tensor([math.log(1.5), math.log(4.0), math.log(0.25)], dtype=torch.float64)
TURNS = torch.tensor([0, 0, 1])


@pytest.mark.parametrize(
    ("mode", "level", "bounds", "weights", "cut"),
    [
        ("truncate", "token", (0.5, 2.0), (1.5, 2.0, 0.25), (False, True, False)),
        ("mask", "token", (0.5, 2.0), (1.5, 0.0, 0.0), (False, True, True)),
        ("mask", "token", (0.2, 5.0), (1.5, 4.0, 0.25), (False, False, False)),
        # Turn 0: 1.5 * 4 = 6; turn 1: 0.25.
        ("truncate", "sequence", (0.5, 2.0), (2.0, 2.0, 0.25), (True, False)),
        ("truncate", "sequence", (0.5, 8.0), (6.0, 6.0, 0.25), (False, False)),
        ("mask", "sequence", (0.5, 8.0), (6.0, 6.0, 0.0), (False, True)),
    ],
)
def test_weights_are_the_ratios_within_their_bounds(
    mode: Mode, level: Level, bounds: tuple[float, float], weights: tuple[float, ...], cut: tuple[bool, ...]
) -> None:
    found = correct(LEARNER, SAMPLER, TURNS, 2, mode, level, *bounds)
    assert found.weight.tolist() == pytest.approx(weights)
    assert found.cut.tolist() == list(cut)
    assert found.ratio.tolist() == pytest.approx([1.5, 4.0, 0.25] if level == "token" else [6.0, 0.25])
    # exp(d) - 1 - d at d = ln 1.5, ln 4 and ln 0.25, at either level.
    assert found.divergence.tolist() == pytest.approx([0.0945349, 1.6137056, 0.6362944], abs=1e-7)


def test_a_token_that_one_side_finds_absurd_gives_a_finite_weight() -> None:
    found = correct(torch.tensor([-1.0]), torch.tensor([-500.0]), torch.tensor([0]), 1, "mask", "token", 0.0, 1e12)
    assert found.weight.item() == pytest.approx(math.exp(20.0))


def test_the_divergence_averages_to_the_kl_from_sampler_to_learner_under_the_sampler() -> None:
    q, p = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.3, 0.5])
    found = correct(p.log(), q.log(), torch.tensor([0, 1, 2]), 3, "truncate", "token", 0.5, 2.0)
    # KL(q || p) = 0.5 ln 2.5 + 0 + 0.2 ln 0.4 = 0.4581454 - 0.1832581
    assert (q * found.divergence).sum().item() == pytest.approx(0.2748872, abs=1e-6)


# Turn 0 has two tokens with ratios 1.1 and 1.0 and A = 1; turn 1 has one token with ratio 0.9 and A = 2.
LOGP = torch.tensor([math.log(1.1), 0.0, math.log(0.9)], dtype=torch.float64)
A = torch.tensor([1.0, 2.0], dtype=torch.float64)
ONES = torch.ones(2, dtype=torch.float64)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        # Token values -1.1, -1.0, -1.8 weighted 2, 0.5, 1: turns (-2.2 - 0.5) / 2 = -1.35 and -1.8.
        ("token", -1.575),
        # Turn ratio exp(ln 1.1 / 2) = 1.0488088 at both tokens: (2 + 0.5) / 2 * -1.0488088 = -1.311011, and -1.8.
        ("turn", -1.5555055),
    ],
)
def test_each_tokens_term_counts_by_its_weight(ratio: Ratio, expected: float) -> None:
    weights = torch.tensor([2.0, 0.5, 1.0], dtype=torch.float64)
    result = policy_loss(LOGP, torch.zeros_like(LOGP), A, TURNS, ONES, ratio=ratio, correction=weights)
    assert result.loss.item() == pytest.approx(expected, abs=1e-6)


def _gradient(ratio: Ratio, correction: Tensor | None) -> list[float]:
    logp = LOGP.clone().requires_grad_()
    policy_loss(logp, torch.zeros_like(LOGP), A, TURNS, ONES, ratio=ratio, correction=correction).loss.backward()
    assert logp.grad is not None
    return logp.grad.tolist()


@pytest.mark.parametrize("ratio", ["token", "turn"])
def test_weights_of_one_change_neither_loss_nor_gradient(ratio: Ratio) -> None:
    ones = torch.ones(3, dtype=torch.float64)
    assert _gradient(ratio, ones) == pytest.approx(_gradient(ratio, None), abs=1e-12)


def test_with_a_turn_ratio_each_token_is_moved_by_its_own_weight() -> None:
    found = _gradient("turn", torch.tensor([2.0, 0.0, 1.0], dtype=torch.float64))
    # -w r A / (tokens of the turn) / (turns): -2 * 1.0488088 / 4, 0, -0.9 * 2 / 2.
    assert found == pytest.approx([-0.5244044, 0.0, -0.9], abs=1e-6)


def _settings(**values: Any) -> LearnerConfig:
    base = {"lr": 1e-3, "warmup_steps": 0, "kl": 0.0, "grad_clip": 0.0, "betas": (0.0, 0.99), "pack_tokens": 32}
    return LearnerConfig.model_validate({**base, **values})


def _gradients(learner: Learner) -> list[Tensor]:
    return [state["exp_avg"] for state in learner.optimizer.state_dict()["adamw"]["state"].values()]


def _recorded(rows: list[Row], learner: Learner, shift: float) -> list[Row]:
    """The rows as recorded by a sampler that finds every token e^shift times less likely than the learner does."""
    found = learner.logprobs(rows)
    return [dataclasses.replace(r, logprobs=tuple((p - shift).tolist())) for r, p in zip(rows, found, strict=True)]


def test_a_sampler_that_is_off_by_four_gives_twice_the_plain_gradient_at_a_cap_of_two(
    tiny: MakeModel, random_rows: MakeRows
) -> None:
    plain, corrected = Learner(tiny(), config=_settings()), Learner(tiny(), config=_settings(correction="truncate"))
    rows = random_rows(8)
    plain.step(_recorded(rows, plain, 0.0))
    metrics = corrected.step(_recorded(rows, corrected, math.log(4.0)))
    for twice, once in zip(_gradients(corrected), _gradients(plain), strict=True):
        assert (twice - 2.0 * once).abs().max().item() <= 2e-5 * max(1.0, once.abs().max().item())
    # The PPO ratio is to the learner's own probabilities, so it starts at 1 whatever the sampler was.
    assert metrics["ratio_mean"] == pytest.approx(1.0, abs=1e-5)
    assert metrics["correction_mean"] == pytest.approx(4.0, rel=1e-4)
    assert metrics["correction_max"] == pytest.approx(4.0, rel=1e-4)
    assert metrics["correction_cut"] == 1.0
    assert metrics["sampler_kl"] == pytest.approx(3.0 - math.log(4.0), rel=1e-3)


def test_a_mask_that_drops_everything_leaves_no_gradient(tiny: MakeModel, random_rows: MakeRows) -> None:
    learner = Learner(tiny(), config=_settings(correction="mask", correction_level="sequence"))
    metrics = learner.step(_recorded(random_rows(8), learner, 5.0))
    assert metrics["correction_cut"] == 1.0
    assert all(gradient.abs().max().item() == 0.0 for gradient in _gradients(learner))


def test_rows_of_several_versions_are_learned_from_only_with_correction(tiny: MakeModel, random_rows: MakeRows) -> None:
    learner = Learner(tiny(), config=_settings(correction="truncate"))
    rows = [dataclasses.replace(r, policy_version=i % 2) for i, r in enumerate(_recorded(random_rows(8), learner, 0.1))]
    assert learner.step(rows)["correction_mean"] == pytest.approx(math.exp(0.1), rel=1e-4)
    with pytest.raises(CreditError, match="several policy versions"):
        Learner(tiny(), config=_settings()).step(rows)


def test_rows_without_the_samplers_log_probabilities_cannot_be_corrected(
    tiny: MakeModel, random_rows: MakeRows
) -> None:
    rows = [dataclasses.replace(row, logprobs=()) for row in random_rows(4)]
    learner = Learner(tiny(), config=_settings(correction="truncate"), recompute_old=True)
    with pytest.raises(CreditError, match=r"0 log-probabilities for \d sampled tokens; sample with a policy that"):
        learner.step(rows)


def test_without_correction_no_such_metric_is_told(tiny: MakeModel, random_rows: MakeRows) -> None:
    learner = Learner(tiny(), config=_settings())
    metrics = learner.step(_recorded(random_rows(4), learner, 0.0))
    assert not [name for name in metrics if name.startswith("correction") or name == "sampler_kl"]


def test_bounds_that_drop_everything_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"correction_low is 2\.0 and learner\.correction_high 2\.0"):
        parse_recipe({"learner": {"correction": "mask", "correction_low": 2.0}})
