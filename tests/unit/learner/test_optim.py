from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from fairmem.config import LearnerConfig
from fairmem.errors import ConfigError
from fairmem.learner.optim import Optimizer


def linear(dtype: torch.dtype = torch.float32) -> nn.Linear:
    layer = nn.Linear(2, 1, dtype=dtype)
    nn.init.ones_(layer.weight)
    nn.init.ones_(layer.bias)
    return layer


def config(**values: Any) -> LearnerConfig:
    return LearnerConfig.model_validate({"lr": 0.1, "warmup_steps": 0, "grad_clip": 0.0, **values})


def give_gradient(layer: nn.Linear, weight: tuple[float, float], bias: float) -> None:
    layer.weight.grad = torch.tensor([weight], dtype=layer.weight.dtype)
    layer.bias.grad = torch.tensor([bias], dtype=layer.bias.dtype)


def test_the_first_adam_step_moves_each_weight_by_lr_against_its_gradient() -> None:
    layer = linear()
    optimizer = Optimizer(layer, config())
    give_gradient(layer, (3.0, -0.5), 0.0)
    update = optimizer.step()
    assert layer.weight[0].tolist() == pytest.approx([0.9, 1.1])
    assert layer.bias.tolist() == [1.0]
    assert update.grad_norm == pytest.approx(math.sqrt(9.25)) and update.applied
    assert layer.weight.grad is None and optimizer.steps == 1


def test_matrices_decay_and_vectors_do_not() -> None:
    layer = linear()
    optimizer = Optimizer(layer, config(weight_decay=0.5))
    give_gradient(layer, (0.0, 0.0), 0.0)
    optimizer.step()
    assert layer.weight[0].tolist() == pytest.approx([0.95, 0.95])  # 1 - 0.1 * 0.5
    assert layer.bias.tolist() == [1.0]


def test_the_learning_rate_rises_linearly_and_then_stays() -> None:
    layer = linear()
    optimizer = Optimizer(layer, config(lr=0.4, warmup_steps=4))
    rates = []
    for _ in range(6):
        rates.append(optimizer.lr)
        give_gradient(layer, (1.0, 1.0), 1.0)
        optimizer.step()
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    # With a constant gradient Adam moves by the learning rate: 1 - (0.1 + 0.2 + 0.3 + 3 * 0.4) = -0.8.
    assert layer.weight[0].tolist() == pytest.approx([-0.8, -0.8], abs=1e-5)


def test_the_learning_rate_falls_to_a_tenth_over_the_decay_and_stays_there() -> None:
    layer = torch.nn.Linear(2, 1)
    optimizer = Optimizer(layer, config(lr=0.4, warmup_steps=2, decay_steps=3))
    rates: list[float] = []
    for _ in range(7):
        rates.append(optimizer.lr)
        layer(torch.ones(1, 2)).sum().backward()
        optimizer.step()
    # warm-up to 0.4 by halves, then 1, 0.7, 0.4, 0.1 of it
    assert rates == pytest.approx([0.2, 0.4, 0.4, 0.28, 0.16, 0.04, 0.04])


def test_gradients_are_clipped_to_their_joint_norm() -> None:
    layer = linear()
    optimizer = Optimizer(layer, config(grad_clip=1.0, betas=(0.0, 0.99)))
    give_gradient(layer, (2.0, 1.0), 2.0)  # norm 3
    update = optimizer.step()
    moments = [state["exp_avg"].flatten().tolist() for state in optimizer.state_dict()["adamw"]["state"].values()]
    assert update.grad_norm == pytest.approx(3.0)
    assert moments[0] == pytest.approx([2 / 3, 1 / 3], abs=1e-5) and moments[1] == pytest.approx([2 / 3], abs=1e-5)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_gradients_that_are_not_finite_are_dropped_and_reported(value: float) -> None:
    layer = linear()
    optimizer = Optimizer(layer, config(grad_clip=1.0))
    give_gradient(layer, (value, 1.0), 1.0)
    assert not optimizer.step().applied
    assert layer.weight[0].tolist() == [1.0, 1.0] and optimizer.steps == 0 and layer.weight.grad is None


def test_short_weights_learn_through_float32_masters() -> None:
    # bfloat16 steps near 1 are 2^-8 below: an update of 0.0005 alone is rounded away, ten are not.
    layer = linear(torch.bfloat16)
    optimizer = Optimizer(layer, config(lr=0.0005))
    seen = []
    for _ in range(10):
        give_gradient(layer, (1.0, 1.0), 1.0)
        optimizer.step()
        seen.append(layer.weight[0, 0].item())
    assert seen[0] == 1.0
    assert seen[-1] == 0.99609375  # 0.995 to the nearest bfloat16, 1 - 2^-8


def test_a_model_that_cannot_be_trained_is_refused() -> None:
    with pytest.raises(ConfigError, match="no trainable parameters"):
        Optimizer(linear().requires_grad_(False), config())
    with pytest.raises(ConfigError, match="float16"):
        Optimizer(linear(torch.float16), config())
