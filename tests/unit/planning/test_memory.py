from __future__ import annotations

import pytest

from fairmem.config import Recipe, parse_recipe
from fairmem.planning import one_gpu_memory, verl_memory
from fairmem.planning.memory import token_bytes
from tests.unit.planning.build import PLAIN, TOY, machine


def recipe(*overrides: str) -> Recipe:
    given = ["learner.pack_tokens=4", "learner.micro_tokens=8", "rollout.batch=3", *overrides]
    return parse_recipe({}, given)


def test_verl_cuts_its_state_over_the_gpus() -> None:
    plan = verl_memory(TOY, recipe(), machine(2), PLAIN, tensor_parallel=1)
    sizes = list(plan.parts.values())
    # 348 parameters: 4 bytes of weights, 4 of gradients, 8 of moments, 2 of reference each, over two GPUs
    assert sizes[:4] == [696, 696, 1392, 348]
    # two layers of 152 in 2 bytes and one gradient in 4; the embedding in 2
    assert sizes[4] == 8 * 152 + 2 * 40
    # a token: the inputs of two layers 2*2*4, the inside of one 120, ten logits of 4 bytes
    assert plan.per_token == 16 + 120 + 40
    held = 696 + 696 + 1392 + 348 + 1296
    assert plan.learning == pytest.approx(held + 8 * 176, abs=2)
    assert plan.largest_micro == (10_000 - held) // 176
    # half of the memory is vLLM's, less the weights in two bytes
    assert plan.cache == pytest.approx(5000 - 696, abs=2)
    assert plan.sampling == pytest.approx(696 + 696 + 1392 + 348 + 5000)
    assert plan.fits


def test_without_kl_there_is_no_reference_and_entropy_costs_logits() -> None:
    assert verl_memory(TOY, recipe("learner.kl=0"), machine(2), PLAIN).parts["reference (bfloat16, cut)"] == 0
    costly = token_bytes(TOY, recipe("learner.entropy=0.01"), PLAIN, "verl")
    assert costly - token_bytes(TOY, recipe(), PLAIN, "verl") == 6 * 10


def test_tensor_parallel_servers_share_weights_and_add_up_their_cache() -> None:
    plan = verl_memory(TOY, recipe(), machine(2), PLAIN, tensor_parallel=2)
    assert plan.parts["vLLM: weights (bfloat16)"] == 348
    assert plan.cache == pytest.approx(2 * (5000 - 348), abs=4)


def test_offloading_frees_the_sampler_or_everything() -> None:
    idle = verl_memory(TOY, recipe(), machine(2), PLAIN, "idle", 1)
    full = verl_memory(TOY, recipe(), machine(2), PLAIN, "full", 1)
    none = verl_memory(TOY, recipe(), machine(2), PLAIN, "none", 1)
    assert idle.sampling == full.sampling == pytest.approx(5000) and idle.learning == none.learning
    assert none.learning - full.learning == pytest.approx(3132)


def test_a_micro_batch_that_is_too_large_is_answered_with_the_largest() -> None:
    plan = verl_memory(TOY, recipe(), machine(2, memory=5400), PLAIN, tensor_parallel=1, share=0.3)
    assert plan.largest_micro == 5 and not plan.fits
    assert "set learner.micro_tokens to at most 5" in plan.problems[0] and len(plan.problems) == 1


def test_a_model_that_is_too_large_is_answered_with_the_number_of_gpus_that_hold_it() -> None:
    plan = verl_memory(TOY, recipe(), machine(2, memory=4000), PLAIN, tensor_parallel=1, share=0.2)
    # 18*348 = 6264 bytes of state over n GPUs beside 1296 and a row of 4*176 = 704: 6264/n <= 2000, n = 4
    assert "use 4 or more TOY" in plan.problems[0]
    again = verl_memory(
        TOY, recipe("learner.micro_tokens=4"), machine(4, memory=4000), PLAIN, tensor_parallel=1, share=0.2
    )
    assert again.fits
    fewer = verl_memory(
        TOY, recipe("learner.micro_tokens=4"), machine(3, memory=4000), PLAIN, tensor_parallel=1, share=0.2
    )
    assert not fewer.fits


def test_a_sampler_that_does_not_fit_says_which_setting_helps() -> None:
    crowded = verl_memory(TOY, recipe(), machine(2, memory=6000), PLAIN, tensor_parallel=1, share=0.9)
    assert "param_offload=true" in crowded.problems[-1]
    starved = verl_memory(TOY, recipe(), machine(2), PLAIN, tensor_parallel=1, share=0.05)
    assert "holds no cache" in starved.problems[0]
    odd = verl_memory(TOY, recipe(), machine(3), PLAIN, tensor_parallel=2)
    assert "3 GPUs cannot be cut into servers of 2" in odd.problems[0]


def test_one_gpu_holds_twenty_bytes_per_parameter() -> None:
    plan = one_gpu_memory(TOY, recipe(), machine(1, memory=400_000), PLAIN, "embedded", context=100)
    # weights 2, masters 4, gradients 4, moments 8, reference 2
    assert sum(list(plan.parts.values())[:5]) == 20 * 348
    assert list(plan.parts.values())[5] == 2048 * 10 * 12
    assert plan.per_token == 2 * 120 + 4  # both layers are kept whole, and a row of the mask
    assert plan.parts["cache of 3 sequences"] == 3 * 100 * 16
    assert plan.sampling == 16 * 348 + 4800 and plan.fits


def test_float32_weights_are_their_own_masters() -> None:
    plan = one_gpu_memory(TOY, recipe("model.dtype=float32"), machine(1), PLAIN, "embedded", 1)
    assert [plan.parts[name] for name in plan.parts][:5] == [4 * 348, 0, 4 * 348, 8 * 348, 4 * 348]


def test_adapters_need_no_reference_and_hardly_an_optimizer() -> None:
    plan = one_gpu_memory(TOY, recipe("model.lora_rank=1", "model.reference=start"), machine(1), PLAIN, "embedded", 1)
    assert [plan.parts[name] for name in plan.parts][:5] == [2 * (348 + 128), 4 * 128, 4 * 128, 8 * 128, 0]


def test_two_models_are_counted_twice_and_a_frozen_role_once_more() -> None:
    two = one_gpu_memory(TOY, recipe("model.backbones=separate"), machine(1), PLAIN, "embedded", 1)
    assert sum(list(two.parts.values())[:5]) == 40 * 348
    frozen = one_gpu_memory(TOY, recipe("model.train=manager"), machine(1), PLAIN, "embedded", 1)
    assert sum(list(frozen.parts.values())[:5]) == 20 * 348  # the frozen copy is the reference as well


def test_what_one_gpu_cannot_hold_is_refused_with_the_ways_out() -> None:
    tight = one_gpu_memory(TOY, recipe(), machine(1, memory=200_000), PLAIN, "embedded", 10)
    assert "use --engine verl on several GPUs, model.lora_rank=16" in tight.problems[0]
    many = one_gpu_memory(TOY, recipe("rollout.batch=1000"), machine(1, memory=400_000), PLAIN, "embedded", 100)
    assert "set rollout.batch to at most 246" in many.problems[0]  # (400000 - 16*348) / 1600
