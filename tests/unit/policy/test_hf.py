from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from fairmem.errors import ConfigError, ModelError
from fairmem.policy import Message, Sample, SampleRequest, import_torch
from fairmem.policy.hf import HFPolicy
from fairmem.trace import CallFailure, FailureKind, StopReason
from tests.unit.policy.conftest import build_model_folder

torch = import_torch()
WORDS = ["Ana", "lives", "in", "Lodz", "and", "Bo", "has", "a", "dog", "that", "likes", "the", "sea"]


@pytest.fixture
def policy(model_folder: Path) -> HFPolicy:
    return HFPolicy.from_folder(model_folder, device="cpu")


def ask(text: str, **options: Any) -> SampleRequest:
    fields: dict[str, Any] = {"max_tokens": 16, "seed": 1, **options}
    return SampleRequest(prompt=(Message("user", text),), **fields)


def sample_one(policy: HFPolicy, request: SampleRequest) -> Sample:
    (reply,) = policy.sample([request])
    assert isinstance(reply, Sample), reply
    return reply


def mixed_requests(count: int) -> list[SampleRequest]:
    rng = random.Random(5)
    return [
        ask(" ".join(rng.choices(WORDS, k=1 + 3 * i)), seed=i, max_tokens=rng.randint(1, 24), temperature=t)
        for i, t in zip(range(count), [1.0, 0.7, 0.0, 1.0, 1.3, 1.0, 1.0] * count, strict=False)
    ]


def plain_forward(policy: HFPolicy, prompt: tuple[int, ...], ids: tuple[int, ...]) -> Any:
    """log p of every vocabulary entry before each of `ids`, by one unpadded forward pass; [len(ids), V]."""
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([prompt + ids])).logits[0].float()
    return torch.log_softmax(logits[len(prompt) - 1 : -1], dim=-1)


def test_a_sample_does_not_depend_on_the_batch_it_is_in(policy: HFPolicy) -> None:
    requests = mixed_requests(7)
    together = policy.sample(requests)
    assert policy.last_call.micro_batches == 1

    for request, reply in zip(requests, together, strict=True):
        assert isinstance(reply, Sample)
        alone = sample_one(policy, request)
        assert reply.ids == alone.ids
        assert reply.logprobs == pytest.approx(alone.logprobs, abs=1e-4)
    assert len({reply.ids for reply in together if isinstance(reply, Sample)}) == 7


def test_a_rendered_prompt_is_encoded_as_it_was_when_sampled(policy: HFPolicy) -> None:
    reply = sample_one(policy, ask("Ana lives in Lodz"))
    assert policy.encode(reply.prompt_text) == reply.prompt_ids


def test_recorded_log_probabilities_are_those_of_an_unpadded_forward_pass(policy: HFPolicy) -> None:
    requests = [ask("Ana lives", seed=seed) for seed in range(3)] + [ask("Bo has a dog that likes", seed=9)]
    for sample in policy.sample(requests):
        assert isinstance(sample, Sample)
        expected = plain_forward(policy, sample.prompt_ids, sample.ids)
        picked = [expected[step, token].item() for step, token in enumerate(sample.ids)]
        assert sample.logprobs == pytest.approx(picked, abs=1e-4)


def test_scores_of_mixed_lengths_equal_recorded_log_probabilities_at_temperature_1(policy: HFPolicy) -> None:
    drawn = [s for s in policy.sample([ask(" ".join(WORDS[:n]), seed=n, max_tokens=n) for n in range(1, 12)])]
    samples = [s for s in drawn if isinstance(s, Sample)]
    scores = policy.score([s.prompt_ids for s in samples], [s.ids for s in samples])

    assert [len(score) for score in scores] == [len(s.ids) for s in samples]
    for sample, score in zip(samples, scores, strict=True):
        assert score == pytest.approx(sample.logprobs, abs=1e-4)


def test_a_model_with_learned_positions_sees_padding_as_absent(policy: HFPolicy) -> None:
    # Rotary positions forgive a shift of a whole row; a table of positions does not.
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(1)
    sizes: dict[str, Any] = {"n_positions": 40, "n_embd": 32, "n_layer": 1, "n_head": 2, "initializer_range": 0.3}
    config = GPT2Config(vocab_size=len(policy.tokenizer), bos_token_id=1, eos_token_id=1, **sizes)
    learned = HFPolicy(GPT2LMHeadModel(config).eval(), policy.tokenizer, family="compact")
    samples = learned.sample([ask("Ana"), ask(" ".join(WORDS[:5]), seed=2), ask("Bo has", seed=3)])
    drawn = [s for s in samples if isinstance(s, Sample)]
    scores = learned.score([s.prompt_ids for s in drawn], [s.ids for s in drawn])

    assert len(drawn) == 3
    for sample, score in zip(drawn, scores, strict=True):
        expected = plain_forward(learned, sample.prompt_ids, sample.ids)
        picked = [expected[step, token].item() for step, token in enumerate(sample.ids)]
        assert sample.logprobs == pytest.approx(picked, abs=1e-4)
        assert score == pytest.approx(picked, abs=1e-4)


def test_scores_do_not_depend_on_how_they_are_batched(model_folder: Path, policy: HFPolicy) -> None:
    prompts = [[7, 8, 9], [10] * 20, [11]]
    ids = [[12, 13], [14], [15, 16, 17, 18]]
    one_by_one = HFPolicy.from_folder(model_folder, device="cpu", batch=1).score(prompts, ids)

    for found, expected in zip(policy.score(prompts, ids), one_by_one, strict=True):
        assert found == pytest.approx(expected, abs=1e-4)


def test_rows_after_a_prefix_score_as_they_do_with_it(model_folder: Path, policy: HFPolicy) -> None:
    prefix, rows = [7, 8, 9, 10], [[12, 13], [14], [15, 16, 17, 18], [19, 20, 21]]
    expected = policy.score([prefix] * 4, rows)
    for found in (
        policy.score_after(prefix, rows),
        HFPolicy.from_folder(model_folder, device="cpu", batch=3).score_after(prefix, rows),
    ):
        assert [len(row) for row in found] == [2, 1, 4, 3]
        for one, other in zip(found, expected, strict=True):
            assert one == pytest.approx(other, abs=1e-4)
    with pytest.raises(ModelError, match="cannot score rows of 257 tokens, its context is 256"):
        policy.score_after([7] * 250, [[7] * 7, [8]])


def test_log_probabilities_are_at_the_sampling_temperature(policy: HFPolicy) -> None:
    sample = sample_one(policy, ask("Ana lives", temperature=0.5))
    # log p at temperature 0.5 is 2 log p, normalised again.
    tempered = torch.log_softmax(2 * plain_forward(policy, sample.prompt_ids, sample.ids), dim=-1)

    picked = [tempered[step, token].item() for step, token in enumerate(sample.ids)]
    assert sample.logprobs == pytest.approx(picked, abs=1e-4)


def test_temperature_0_takes_the_likeliest_token_whatever_the_seed(policy: HFPolicy) -> None:
    sample = sample_one(policy, ask("Ana lives", temperature=0.0))

    assert sample.ids == sample_one(policy, ask("Ana lives", temperature=0.0, seed=99)).ids
    assert plain_forward(policy, sample.prompt_ids, sample.ids).argmax(dim=-1).tolist() == list(sample.ids)


def test_a_shorter_limit_gives_a_prefix_and_says_that_it_cut(policy: HFPolicy) -> None:
    seed = next(s for s in range(50) if len(sample_one(policy, ask("Ana", seed=s)).ids) > 4)
    long = sample_one(policy, ask("Ana", seed=seed))
    short, _ = policy.sample([ask("Ana", seed=seed, max_tokens=3), ask("Ana", seed=seed)])

    assert isinstance(short, Sample)
    assert short.ids == long.ids[:3]
    assert short.stop is StopReason.LENGTH


@pytest.mark.parametrize("token", ["<eos>", "<stop>"])
def test_every_end_token_ends_a_message_and_stays_in_its_ids(policy: HFPolicy, token: str) -> None:
    end = policy.tokenizer.convert_tokens_to_ids(token)
    samples = [
        s for s in policy.sample([ask("Ana", seed=s, max_tokens=60) for s in range(60)]) if isinstance(s, Sample)
    ]
    ended = [s for s in samples if end in s.ids]

    assert ended
    for sample in ended:
        assert sample.ids.index(end) == len(sample.ids) - 1
        assert sample.stop is StopReason.EOS
        assert "<" + token[1:] not in sample.text
    assert policy.last_call.generated_tokens == sum(len(s.ids) for s in samples)


def test_an_end_token_at_the_last_allowed_step_counts_as_an_end(policy: HFPolicy) -> None:
    replies = policy.sample([ask("Ana", seed=seed, max_tokens=60) for seed in range(60)])
    seed, ended = next((i, s) for i, s in enumerate(replies) if isinstance(s, Sample) and s.stop is StopReason.EOS)
    exact = sample_one(policy, ask("Ana", seed=seed, max_tokens=len(ended.ids)))

    assert (exact.ids, exact.stop) == (ended.ids, StopReason.EOS)


def test_a_prompt_that_leaves_too_little_room_is_a_named_failure_beside_good_replies(policy: HFPolicy) -> None:
    ids = policy.count_tokens("Ana lives in Lodz. ")
    long = "Ana lives in Lodz. " * (256 // ids + 1)
    good, bad = policy.sample([ask("Ana"), ask(long)])

    assert isinstance(good, Sample)
    assert isinstance(bad, CallFailure)
    assert bad.kind is FailureKind.PROMPT_TOO_LONG
    assert "context of 256 tokens" in bad.message
    assert policy.last_call.failures == 1


def test_a_prompt_that_just_fits_is_sampled(policy: HFPolicy) -> None:
    room = 256 - policy.count_tokens("Ana")

    assert isinstance(policy.sample([ask("Ana", max_tokens=room)])[0], Sample)
    assert isinstance(policy.sample([ask("Ana", max_tokens=room + 1)])[0], CallFailure)


def test_an_empty_prompt_is_a_named_failure(policy: HFPolicy) -> None:
    (reply,) = policy.sample([ask("")])

    assert isinstance(reply, CallFailure)
    assert reply.kind is FailureKind.REFUSED


def test_diverged_weights_are_a_named_failure_not_a_sample(policy: HFPolicy) -> None:
    with torch.no_grad():
        policy.model.model.norm.weight.fill_(math.nan)
    (reply,) = policy.sample([ask("Ana")])

    assert isinstance(reply, CallFailure)
    assert reply.kind is FailureKind.BAD_RESPONSE


def test_sampling_follows_the_weights_and_leaves_the_model_as_it_was(policy: HFPolicy) -> None:
    before = sample_one(policy, ask("Ana lives")).ids
    own = policy.model.generation_config
    policy.model.train()
    policy.model.model.norm.eval()
    with torch.no_grad():
        policy.model.model.norm.weight.mul_(0.1)

    after = sample_one(policy, ask("Ana lives"))

    assert after.ids != before
    assert after.logprobs == pytest.approx(policy.score([after.prompt_ids], [after.ids])[0], abs=1e-4)
    assert policy.model.training
    assert not policy.model.model.norm.training
    assert policy.model.generation_config is own
    assert policy.model(input_ids=torch.tensor([[7, 8]])).logits.requires_grad


def test_scoring_refuses_what_it_cannot_score(policy: HFPolicy) -> None:
    assert policy.score([[7], []], [[], []]) == [(), ()]
    with pytest.raises(ModelError, match="empty prompt"):
        policy.score([[]], [[7]])
    with pytest.raises(ModelError, match=r"250 \+ 7 tokens, its context is 256"):
        policy.score([[7] * 250], [[7] * 7])


def test_folders_say_which_prompts_their_model_understands(policy: HFPolicy, model_folder: Path) -> None:
    assert (policy.name, policy.family) == ("tiny", "compact")
    assert policy.model.dtype is torch.float32


def test_options_out_of_range_are_refused(model_folder: Path) -> None:
    with pytest.raises(ConfigError, match="batch is 0"):
        HFPolicy.from_folder(model_folder, batch=0)
    with pytest.raises(ConfigError, match="dtype is 'float8'"):
        HFPolicy.from_folder(model_folder, dtype="float8")
    with pytest.raises(ConfigError, match="device is 'gpu'"):
        HFPolicy.from_folder(model_folder, device="gpu")


def test_folders_without_an_end_token_are_refused(tmp_path: Path) -> None:
    folder = build_model_folder(tmp_path / "m")
    (folder / "generation_config.json").unlink()
    for name in ("config.json", "tokenizer_config.json"):
        fields = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({k: v for k, v in fields.items() if "eos" not in k}))

    with pytest.raises(ModelError, match="end-of-message token"):
        HFPolicy.from_folder(folder, device="cpu")


@pytest.mark.parametrize("text", ["Ana lives in Lodz.\nb INSERT", "żółć 🙂 and more", "  two  blanks\n\n", ""])
def test_tokens_end_where_their_text_does(policy: HFPolicy, text: str) -> None:
    ids = tuple(policy.tokenizer(text, add_special_tokens=False)["input_ids"])
    ends = policy.token_ends((*ids, policy.eos[0]))
    whole = policy.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert len(ends) == len(ids) + 1 and list(ends) == sorted(ends) and ends[-1] == len(whole)
    for number, end in enumerate(ends[:-1], 1):
        so_far = policy.tokenizer.decode(ids[:number], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if not so_far.endswith("\ufffd"):
            assert whole[:end] == so_far
