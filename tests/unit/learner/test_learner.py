from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from fairmem.config import LearnerConfig
from fairmem.errors import ConfigError, CreditError
from fairmem.learner import Learner, Row
from tests.unit.learner.conftest import MakeModel, MakeRow, MakeRows


def config(**values: Any) -> LearnerConfig:
    return LearnerConfig.model_validate(
        {"lr": 1e-3, "warmup_steps": 0, "kl": 0.0, "grad_clip": 0.0, "betas": (0.0, 0.99), "pack_tokens": 32, **values}
    )


def gradients(learner: Learner) -> list[Tensor]:
    """Gradients of the last update (with beta1 = 0, Adam's first moment is the gradient)."""
    return [state["exp_avg"] for state in learner.optimizer.state_dict()["adamw"]["state"].values()]


def weights(model: Any) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def assert_close(first: list[Tensor], second: list[Tensor]) -> None:
    for a, b in zip(first, second, strict=True):
        assert (a - b).abs().max().item() <= 1e-5 * max(1.0, b.abs().max().item())


def recorded(rows: list[Row], learner: Learner) -> list[Row]:
    """The rows as if the learner's own weights had sampled them."""
    found = learner.logprobs(rows)
    return [
        dataclasses.replace(row, logprobs=tuple(logp.clamp(max=0.0).tolist()))
        for row, logp in zip(rows, found, strict=True)
    ]


def test_the_first_update_is_the_policy_gradient_of_a_plain_unpacked_loss(
    tiny: MakeModel, random_rows: MakeRows
) -> None:
    learner = Learner(tiny(), config=config(entropy=0.1))
    rows = recorded(random_rows(8), learner)
    metrics = learner.step(rows)
    # At ratio 1: gradient of -sum_rows w A mean_tokens(log p) / sum w - 0.1 * (the same mean of the entropy).
    plain = tiny()
    loss = torch.zeros(())
    for row in rows:
        logp = plain(torch.tensor([row.prompt_ids + row.ids])).logits[0, :-1].log_softmax(-1)
        logp = logp[len(row.prompt_ids) - 1 :]
        sampled = logp[torch.arange(len(row.ids)), torch.tensor(row.ids)].mean()
        entropy = -(logp.exp() * logp).sum(-1).mean()
        loss = loss - row.weight * (row.advantage * sampled + 0.1 * entropy)
    (loss / sum(row.weight for row in rows)).backward()
    matrices = [p.grad for p in plain.parameters() if p.ndim >= 2] + [p.grad for p in plain.parameters() if p.ndim < 2]
    assert_close(gradients(learner), [g for g in matrices if g is not None])
    assert metrics["ratio_mean"] == pytest.approx(1.0, abs=1e-5)
    assert metrics["clip_fraction"] == 0.0
    assert metrics["approx_kl"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["sampler_gap"] == pytest.approx(0.0, abs=1e-5)
    expected_norm = torch.stack([g.norm() for g in matrices if g is not None]).norm().item()
    assert metrics["grad_norm"] == pytest.approx(expected_norm, rel=1e-4)


@pytest.mark.parametrize("aggregation", ["turn", "token"])
@pytest.mark.parametrize("ratio", ["turn", "token"])
def test_the_result_does_not_depend_on_the_size_of_micro_batches_or_packs(
    tiny: MakeModel, random_rows: MakeRows, ratio: str, aggregation: str
) -> None:
    results: list[tuple[list[Tensor], dict[str, float]]] = []
    for micro_tokens, pack_tokens, share in ((8192, 256, True), (40, 20, True), (1, 8, False)):
        settings = config(
            micro_tokens=micro_tokens, pack_tokens=pack_tokens, ratio=ratio, aggregation=aggregation, kl=0.05
        )
        learner = Learner(tiny(), tiny(seed=1), settings, share_prompts=share)
        metrics = learner.step(random_rows(10))
        results.append((gradients(learner), metrics))
    whole, metrics = results[0]
    for split, others in results[1:]:
        assert_close(split, whole)
        for name in ("loss", "policy_loss", "kl", "entropy", "ratio_mean", "clip_fraction", "approx_kl", "grad_norm"):
            assert others[name] == pytest.approx(metrics[name], rel=1e-4, abs=1e-6), name


def test_a_better_turn_becomes_likelier_and_a_worse_one_less_likely(tiny: MakeModel, row: MakeRow) -> None:
    learner = Learner(tiny(), config=config())
    rows = [row((1, 2), (3, 4), advantage=1.0), row((1, 2), (5, 6), advantage=-1.0, rollout="b1")]
    before = [p.sum().item() for p in learner.logprobs(rows)]
    learner.step(recorded(rows, learner))
    after = [p.sum().item() for p in learner.logprobs(rows)]
    assert after[0] > before[0] and after[1] < before[1]


@pytest.mark.parametrize(
    ("aggregation", "loss"),
    [
        # Ratio 1. By turn: -(1 * 1 - 0.5 * 1) / 1.5. By token: -(3 * 1 * 1 - 1 * 0.5 * 1) / (3 * 1 + 1 * 0.5).
        ("turn", -0.3333333),
        ("token", -0.7142857),
    ],
)
def test_the_loss_is_the_weighted_mean_over_turns_or_tokens(
    tiny: MakeModel, row: MakeRow, aggregation: str, loss: float
) -> None:
    learner = Learner(tiny(), config=config(aggregation=aggregation))
    rows = [row(ids=(3, 4, 5)), row(ids=(6,), advantage=-1.0, weight=0.5, rollout="b1")]
    metrics = learner.step(recorded(rows, learner))
    assert metrics["policy_loss"] == pytest.approx(loss, abs=1e-5) == metrics["loss"]


def test_the_metrics_count_rows_tokens_and_updates(tiny: MakeModel, row: MakeRow) -> None:
    learner = Learner(tiny(), config=config(epochs=3, minibatches=2, pack_tokens=8))
    rows = [row((1, 2, 5), (3, 4), rollout=f"b{i}", advantage=float(i)) for i in range(4)]
    metrics = learner.step(rows)
    assert metrics["rows"] == 4 and metrics["updates"] == 6 and metrics["skipped_updates"] == 0
    # Each mini-batch has two rows of one prompt: 3 + 1 + 1 tokens fed; six mini-batches.
    assert metrics["tokens"] == 30
    assert metrics["row_tokens"] == 3 * 4 * 5
    assert metrics["sampled_tokens"] == 3 * 4 * 2
    assert metrics["tokens_per_second"] == pytest.approx(30 / metrics["seconds"])
    assert learner.steps == 1 and learner.optimizer.steps == 6
    assert metrics["lr"] == 1e-3


def test_later_passes_compare_with_the_probabilities_at_sampling(tiny: MakeModel, random_rows: MakeRows) -> None:
    learner = Learner(tiny(), config=config(epochs=4, lr=1e-2))
    metrics = learner.step(recorded(random_rows(8), learner))
    assert metrics["sampler_gap"] == pytest.approx(0.0, abs=1e-5)  # before the first update only
    assert metrics["approx_kl"] > 1e-3 and metrics["clip_fraction"] > 0


def test_recomputed_old_probabilities_replace_the_recorded_ones(tiny: MakeModel, random_rows: MakeRows) -> None:
    by_record, by_model = Learner(tiny(), config=config()), Learner(tiny(), config=config(), recompute_old=True)
    rows = random_rows(8)
    by_record.step(recorded(rows, by_record))
    metrics = by_model.step([dataclasses.replace(row, logprobs=()) for row in rows])
    assert_close(gradients(by_model), gradients(by_record))
    assert "sampler_gap" not in metrics


def test_the_kl_term_starts_at_zero_pulls_back_and_leaves_the_reference_alone(
    tiny: MakeModel, random_rows: MakeRows
) -> None:
    free, held = (Learner(tiny(), config=config(kl=kl, epochs=8, lr=1e-2)) for kl in (1e-6, 1.0))
    rows = recorded(random_rows(8), free)
    assert free.step(rows)["kl"] > held.step(rows)["kl"] > 0
    start = Learner(tiny(), config=config(kl=1.0))
    assert start.step(rows)["kl"] == pytest.approx(0.0, abs=1e-6)
    reference = tiny(seed=1)
    before = weights(reference)
    other = Learner(tiny(), reference, config(kl=1.0))
    assert other.step(rows)["kl"] > 0.01
    assert same(weights(reference), before)


def test_without_rows_nothing_changes(tiny: MakeModel) -> None:
    learner = Learner(tiny(), config=config())
    before = weights(learner.model)
    metrics = learner.step([])
    assert metrics["rows"] == 0 and metrics["updates"] == 0 and metrics["tokens"] == 0
    assert same(weights(learner.model), before) and learner.steps == 0


def test_rows_that_break_an_invariant_leave_the_weights_untouched(tiny: MakeModel, row: MakeRow) -> None:
    learner = Learner(tiny(), config=config())
    before = weights(learner.model)
    with pytest.raises(CreditError, match="only one rollout"):
        learner.step([row()])
    assert same(weights(learner.model), before)


def test_an_update_with_gradients_that_are_not_finite_is_skipped_and_counted(tiny: MakeModel, row: MakeRow) -> None:
    learner = Learner(tiny(), config=config())
    before = weights(learner.model)
    metrics = learner.step([row(advantage=3e38), row(ids=(5, 6), advantage=3e38, rollout="b1")])
    assert metrics["updates"] == 0 and metrics["skipped_updates"] == 1
    assert same(weights(learner.model), before)


def test_equal_learners_make_equal_weights(tiny: MakeModel, random_rows: MakeRows) -> None:
    learners = [Learner(tiny(), config=config(minibatches=3, epochs=2, kl=0.01), seed=5) for _ in range(2)]
    for learner in learners:
        learner.step(random_rows(8))
        learner.step(random_rows(8, seed=1))
    assert same(weights(learners[0].model), weights(learners[1].model))


def test_the_seed_orders_the_mini_batches(tiny: MakeModel, random_rows: MakeRows) -> None:
    learners = [Learner(tiny(), config=config(minibatches=3), seed=seed) for seed in (1, 2)]
    for learner in learners:
        learner.step(random_rows(8))
    assert not same(weights(learners[0].model), weights(learners[1].model))


def test_recomputing_activations_changes_memory_and_not_the_gradient(tiny: MakeModel, random_rows: MakeRows) -> None:
    plain, saving = Learner(tiny(), config=config()), Learner(tiny(), config=config(), checkpointing=True)
    for learner in (plain, saving):
        learner.step(random_rows(8))
    assert_close(gradients(saving), gradients(plain))
    assert not saving.model.training


def test_a_temperature_of_zero_is_refused(tiny: MakeModel) -> None:
    with pytest.raises(ConfigError, match="temperature above 0"):
        Learner(tiny(), temperature=0.0)


def test_imitation_raises_the_probability_of_what_was_shown_without_log_probabilities_or_a_group(
    tiny: MakeModel, row: MakeRow
) -> None:
    model = tiny()
    learner = Learner(model, config=LearnerConfig(loss="imitation", lr=1e-2, warmup_steps=0, kl=0.0))
    shown = [row(ids=(5, 6, 7), logprobs=()), row(prompt=(1, 9), ids=(8,), logprobs=(), group="alone")]
    before = learner.logprobs(shown)
    metrics = learner.step(shown)
    # The loss before the update: mean over the two turns of minus their mean log-probability.
    expected = -sum(float(logp.mean()) for logp in before) / 2
    assert metrics["policy_loss"] == pytest.approx(expected, rel=1e-5) and "ratio_mean" not in metrics
    after = learner.logprobs(shown)
    assert all(float(b.sum()) > float(a.sum()) for a, b in zip(before, after, strict=True))
