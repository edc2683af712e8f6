# The engine's packages are not in the environment that types are checked in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

pytest.importorskip("torch", reason="the training engine is the extra 'train'")
import torch

from fairmem.config import LearnerConfig
from fairmem.learner import Learner
from fairmem.learner.engines.verl.update import WarmAdamW, turn_loss
from fairmem.learner.minibatches import shares
from fairmem.learner.optim import Optimizer
from tests.unit.learner.conftest import MakeModel, MakeRows


def test_the_warm_optimizer_updates_as_the_embedded_one_does(tiny: MakeModel) -> None:
    config = LearnerConfig(lr=1e-2, warmup_steps=3, decay_steps=2, weight_decay=0.1, grad_clip=0.0)
    one, other = tiny(), tiny()
    ours = Optimizer(one, config)
    theirs = WarmAdamW(other.parameters(), lr=1e-2, betas=config.betas, weight_decay=0.1, warmup_steps=3, decay_steps=2)
    for step in range(7):  # past the warmup and the fall
        for model in (one, other):
            model(torch.tensor([[3, 4, 5 + step]])).logits.square().mean().backward()
        ours.step()
        theirs.step()
        theirs.zero_grad()
        assert theirs.param_groups[0]["lr"] == 1e-2
    for (name, a), (_, b) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        torch.testing.assert_close(a, b, msg=name, rtol=0, atol=0)


def test_the_warmup_goes_on_where_a_checkpoint_left_it() -> None:
    def optimizer() -> tuple[torch.nn.Parameter, WarmAdamW]:
        weight = torch.nn.Parameter(torch.ones(2, 2))
        return weight, WarmAdamW([weight], lr=1.0, warmup_steps=4)

    def step(weight: torch.nn.Parameter, made: WarmAdamW) -> float:
        before = weight.detach().clone()
        weight.grad = torch.ones_like(weight)
        made.step()
        return float((before - weight.detach()).max())

    weight, made = optimizer()
    # AdamW moves by the learning rate where every gradient is 1: a quarter of it, then half.
    assert step(weight, made) == pytest.approx(0.25)
    assert step(weight, made) == pytest.approx(0.5)
    again, resumed = optimizer()
    resumed.load_state_dict(made.state_dict())
    assert step(again, resumed) == pytest.approx(0.75)


@pytest.mark.parametrize("by_token", [False, True])
@pytest.mark.parametrize("aggregation", ["turn", "token"])
@pytest.mark.parametrize("ratio", ["turn", "token"])
def test_the_loss_on_verls_tensors_is_the_learners(
    tiny: MakeModel, random_rows: MakeRows, aggregation: Any, ratio: Any, by_token: bool
) -> None:
    pytest.importorskip("verl", reason="verl is not installed: pip install 'fairmem[verl]'")
    from tensordict import TensorDict
    from verl.utils import tensordict_utils as tu

    config = LearnerConfig(kl=0.1, entropy=0.01, aggregation=aggregation, ratio=ratio, warmup_steps=0)
    rows, model, reference = random_rows(8), tiny(0), tiny(1)
    if by_token:
        rows = [replace(row, advantages=tuple(row.advantage + i for i in range(len(row.ids)))) for row in rows]
    learner = Learner(model, reference, config)
    compared = learner.logprobs(rows, reference)
    expected = learner.step(rows)
    model = tiny(0)

    def nested(values: list[Any]) -> torch.Tensor:
        return torch.nested.as_nested_tensor([torch.as_tensor(v) for v in values], layout=torch.jagged)

    logp, entropy = [], []
    for row in rows:
        logits = model(torch.tensor([[*row.prompt_ids, *row.ids]])).logits[0].log_softmax(-1)
        following = torch.tensor([*row.prompt_ids[1:], *row.ids, 0])  # what verl gives: of all tokens, moved by one
        logp.append(logits.gather(-1, following[:, None])[:, 0])
        entropy.append(-(logits.exp() * logits).sum(-1))
    ranks = 2
    data = TensorDict(
        {
            "prompts": nested([row.prompt_ids for row in rows]),
            "responses": nested([row.ids for row in rows]),
            "response_mask": nested([[1] * len(row.ids) for row in rows]),
            "old_log_probs": nested([row.logprobs for row in rows]),
            "advantages": nested([row.advantages or [row.advantage] * len(row.ids) for row in rows]),
            "ref_log_prob": nested(compared),
            "share": torch.tensor(shares(rows, range(len(rows)), config)),
        },
        batch_size=len(rows),
    )
    tu.assign_non_tensor(data, dp_size=ranks)
    output = {"log_probs": torch.cat(logp), "entropy": torch.cat(entropy)}
    loss, metrics = partial(turn_loss, config)(model_output=output, data=data)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9)
    assert float(loss.detach()) / ranks == pytest.approx(expected["loss"], rel=1e-5)
    assert float(norm) / ranks == pytest.approx(expected["grad_norm"], rel=1e-4)
    for name in ("kl", "entropy", "policy_loss"):
        assert metrics[f"fairmem/{name}"].aggregate() / ranks == pytest.approx(expected[name], rel=1e-4)
