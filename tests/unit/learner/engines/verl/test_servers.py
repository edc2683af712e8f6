from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch", reason="the training engine is the extra 'train'")

from fairmem.learner.engines.verl.servers import ServerPolicy
from fairmem.policy import Message, Sample, SampleRequest, folder_of
from fairmem.policy.decode import decode
from fairmem.policy.hf import HFPolicy
from fairmem.trace import CallFailure, FailureKind


@pytest.fixture(scope="module")
def model() -> HFPolicy:
    folder = folder_of("bundled")
    assert folder is not None
    return HFPolicy.from_folder(folder, device="cpu", dtype="float32")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in another thread, as a worker of verl has it."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


def served(model: HFPolicy, version: int | None = 3, **changes: Any) -> Any:
    """What verl's client does, with the model in this process; `changes` replace parts of its answer."""
    import torch

    async def generate(request_id: str, prompt_ids: list[int], sampling_params: dict[str, Any]) -> Any:
        request = SampleRequest(
            (), sampling_params["max_tokens"], sampling_params["temperature"], sampling_params["seed"]
        )
        with torch.no_grad():
            ((ids, logprobs),) = decode(model.model, [prompt_ids], [request], model.eos)
        answer = {"token_ids": list(ids), "log_probs": list(logprobs), "extra_fields": {"global_steps": version}}
        return SimpleNamespace(**{**answer, **changes})

    return generate


def policy(model: HFPolicy, generate: Any, loop: asyncio.AbstractEventLoop, context: int = 4096) -> ServerPolicy:
    return ServerPolicy(generate, loop, model.tokenizer, model.family, model.eos, context, version=3)


def requests(count: int) -> list[SampleRequest]:
    prompt = (Message("user", "<extract> Ann: I like tea.<out>"),)
    return [SampleRequest(prompt, 12, 0.8, seed) for seed in range(count)]


def test_replies_from_servers_are_those_of_the_model_in_this_process(
    model: HFPolicy, loop: asyncio.AbstractEventLoop
) -> None:
    there, here = policy(model, served(model), loop).sample(requests(3)), model.sample(requests(3))
    for a, b in zip(there, here, strict=True):
        assert isinstance(a, Sample) and isinstance(b, Sample)
        assert (a.prompt_ids, a.ids, a.text, a.stop) == (b.prompt_ids, b.ids, b.text, b.stop)
        assert a.logprobs == pytest.approx(b.logprobs, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"extra_fields": {"global_steps": 2}}, FailureKind.BAD_RESPONSE, "weights of version 2, expected 3"),
        ({"log_probs": None}, FailureKind.BAD_RESPONSE, "with 0 log-probabilities"),
        ({"token_ids": [], "log_probs": []}, FailureKind.BAD_RESPONSE, "0 token ids"),
    ],
)
def test_an_answer_that_cannot_be_learned_from_is_a_failure(
    model: HFPolicy, loop: asyncio.AbstractEventLoop, changes: dict[str, Any], kind: FailureKind, says: str
) -> None:
    (reply,) = policy(model, served(model, **changes), loop).sample(requests(1))
    assert isinstance(reply, CallFailure) and reply.kind is kind and says in reply.message


def test_a_server_that_dies_fails_its_calls_and_not_the_run(model: HFPolicy, loop: asyncio.AbstractEventLoop) -> None:
    async def dead(**_: Any) -> Any:
        raise ConnectionError("actor died")

    (reply,) = policy(model, dead, loop).sample(requests(1))
    assert isinstance(reply, CallFailure) and reply.kind is FailureKind.SERVER_ERROR and "actor died" in reply.message


def test_a_prompt_beyond_the_context_is_not_sent(model: HFPolicy, loop: asyncio.AbstractEventLoop) -> None:
    async def never(**_: Any) -> Any:
        raise AssertionError("it was sent")

    (reply,) = policy(model, never, loop, context=15).sample(requests(1))
    assert isinstance(reply, CallFailure) and reply.kind is FailureKind.PROMPT_TOO_LONG
