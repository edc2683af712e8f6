"""The decode loop against transformers' own `generate`, and what it may and may not compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fairmem.policy import Message, SampleRequest, import_torch
from fairmem.policy.decode import decode
from fairmem.policy.hf import HFPolicy

torch = import_torch()
PROMPTS = [(9, 4, 7, 30, 12), (5, 6), (9, 4, 7, 30, 12), (8, 8, 8, 41)]


@pytest.fixture
def policy(model_folder: Path) -> HFPolicy:
    return HFPolicy.from_folder(model_folder, device="cpu")


def request(seed: int, limit: int, temperature: float) -> SampleRequest:
    return SampleRequest((Message("user", "-"),), limit, temperature, seed)


@torch.no_grad()
def run(policy: HFPolicy, requests: list[SampleRequest], prompts: list[tuple[int, ...]] = PROMPTS) -> Any:
    return decode(policy.model.eval(), prompts, requests, policy.eos)


def test_greedy_replies_are_those_of_generate(policy: HFPolicy) -> None:
    from transformers import GenerationConfig

    # Its own settings, because the folder names penalties, which are not part of sampling from the model.
    plain = GenerationConfig(max_new_tokens=12, do_sample=False, eos_token_id=list(policy.eos), pad_token_id=0)
    policy.model.generation_config = GenerationConfig()
    drawn = run(policy, [request(i, 12, 0.0) for i in range(4)])
    for prompt, (ids, _) in zip(PROMPTS, drawn, strict=True):
        with torch.no_grad():
            expected = policy.model.generate(torch.tensor([prompt]), generation_config=plain)
        assert list(ids) == expected[0, len(prompt) :].tolist()


def test_siblings_on_one_prompt_differ_by_their_seeds_and_match_a_lone_run(policy: HFPolicy) -> None:
    prompts = [PROMPTS[0]] * 6
    together = run(policy, [request(seed, 10, 1.0) for seed in range(6)], prompts)
    assert len({ids for ids, _ in together}) == 6
    for seed, (ids, logp) in enumerate(together):
        ((alone, lone_logp),) = run(policy, [request(seed, 10, 1.0)], prompts[:1])
        assert ids == alone and logp == pytest.approx(lone_logp, abs=1e-4)


def test_a_prompt_that_several_requests_share_is_read_once(policy: HFPolicy) -> None:
    read: list[int] = []
    policy.model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    run(policy, [request(seed, 5, 1.0) for seed in range(8)], [PROMPTS[0]] * 6 + [PROMPTS[1]] * 2)
    assert read[0] == 5 + 2 and max(read[1:]) == 8


def test_rows_that_have_ended_are_no_longer_computed(policy: HFPolicy) -> None:
    rows: list[int] = []
    policy.model.register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(kwargs["input_ids"].shape[0]), with_kwargs=True
    )
    # Limits 2, 2, 2 and 9: after two tokens one row of four goes on.
    drawn = run(policy, [request(i, 9 if i == 3 else 2, 1.0) for i in range(4)])
    assert [len(ids) for ids, _ in drawn] == [2, 2, 2, 9]
    assert rows == [1, 4, 1, 1, 1, 1, 1, 1, 1]  # one tree of three distinct prompts, then steps 2 to 9
