"""What every policy owes, run against each of them as users open them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairmem.errors import ModelError
from fairmem.policy import POLICIES, Message, Policy, PolicyStats, Sample, SampleRequest, open_policy
from fairmem.policy.token_server import TokenServer
from fairmem.trace import CallFailure, StopReason
from tests.unit.policy.conftest import Endpoint

Open = Callable[[], Policy]
BACKENDS = ("scripted", "hf", "openai", "served", "cassette-recording", "cassette-playing")


def ask(text: str, **options: object) -> SampleRequest:
    fields = {"max_tokens": 12, "seed": 3, **options}
    return SampleRequest(prompt=(Message("user", text),), **fields)  # pyright: ignore[reportArgumentType]


REQUESTS = (
    ask("Where does Ana live?"),
    ask("Bo has a dog.", seed=4, tag="extractor"),
    ask("Ana", max_tokens=1),
    ask("Where does Ana live?", temperature=0.0),
    ask("A dog, a dog, a dog and Lodz.", seed=5, max_tokens=5, tag="extractor"),
    ask("Where does Ana live?", seed=6),
)


@pytest.fixture(params=BACKENDS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Policy]:
    path = tmp_path / "calls.jsonl"
    match request.param:
        case "scripted":
            policy = open_policy("scripted", script=lambda prompt, seed: f"{prompt[-1].content} {seed}")
        case "hf":
            policy = open_policy(f"hf:{request.getfixturevalue('model_folder')}", batch=4)
        case "openai":
            endpoint: Endpoint = request.getfixturevalue("endpoint")
            policy = open_policy("openai:tiny", base_url=endpoint.base_url)
        case "served":
            folder = request.getfixturevalue("model_folder")
            server = TokenServer(folder)
            request.addfinalizer(server.close)
            policy = open_policy("served:tiny", base_url=server.base_url, folder=str(folder))
        case "cassette-recording":
            policy = open_policy(f"cassette:{path}", record="scripted")
        case _:
            recording = open_policy(f"cassette:{path}", record="scripted")
            recording.sample(REQUESTS)
            recording.close()
            policy = open_policy(f"cassette:{path}")
    yield policy
    policy.close()


def samples(policy: Policy, requests: tuple[SampleRequest, ...] = REQUESTS) -> list[Sample]:
    replies = policy.sample(requests)
    assert len(replies) == len(requests)
    assert not [reply for reply in replies if isinstance(reply, CallFailure)]
    return [reply for reply in replies if isinstance(reply, Sample)]


def test_it_is_a_policy_with_a_name_and_a_family(opened: Policy) -> None:
    assert isinstance(opened, Policy)
    assert opened.name
    assert opened.family in ("instruct", "compact")


def test_no_requests_give_no_replies(opened: Policy) -> None:
    assert opened.sample(()) == []


def test_the_same_requests_get_the_same_replies_in_any_order(opened: Policy) -> None:
    forwards = samples(opened)
    backwards = samples(opened, REQUESTS[::-1])[::-1]

    assert [(s.text, s.ids, s.stop) for s in backwards] == [(s.text, s.ids, s.stop) for s in forwards]


def test_a_reply_holds_its_prompt_and_at_most_the_tokens_asked_for(opened: Policy) -> None:
    for request, sample in zip(REQUESTS, samples(opened), strict=True):
        assert request.prompt[0].content in sample.prompt_text
        assert len(sample.ids) <= request.max_tokens
        assert len(sample.logprobs) in (0, len(sample.ids))
        assert all(logprob <= 0.0 for logprob in sample.logprobs)
        assert isinstance(sample.stop, StopReason)
        if sample.ids:
            assert len(sample.logprobs) == len(sample.ids)
            assert sample.prompt_ids
            assert (sample.stop is StopReason.LENGTH) <= (len(sample.ids) == request.max_tokens)


def test_scores_equal_what_was_recorded_or_are_refused_in_one_line(opened: Policy) -> None:
    drawn = [s for r, s in zip(REQUESTS, samples(opened), strict=True) if r.temperature == 1.0]
    try:
        scores = opened.score([s.prompt_ids for s in drawn], [s.ids for s in drawn])
    except ModelError as error:
        assert "\n" not in str(error)
        return
    for sample, score in zip(drawn, scores, strict=True):
        assert score == pytest.approx(sample.logprobs, abs=1e-4)


def test_longer_text_counts_more_tokens(opened: Policy) -> None:
    assert opened.count_tokens("") == 0
    assert 0 < opened.count_tokens("Ana lives.") < opened.count_tokens("Ana lives in Lodz. " * 20)


def test_stats_add_up_over_calls(opened: Policy) -> None:
    before: PolicyStats = opened.stats  # pyright: ignore[reportAttributeAccessIssue]
    asked = before.requests
    samples(opened)
    samples(opened, REQUESTS[:2])
    total: PolicyStats = opened.stats  # pyright: ignore[reportAttributeAccessIssue]
    last: PolicyStats = opened.last_call  # pyright: ignore[reportAttributeAccessIssue]

    assert total.requests - asked == 8  # 6 requests, then 2
    assert last.requests == 2
    assert last.failures == 0
    assert last.generated_tokens > 0
    assert total.generated_tokens > last.generated_tokens
    assert last.tokens_per_second == last.generated_tokens / last.seconds


def test_closing_twice_is_safe(opened: Policy) -> None:
    opened.close()
    opened.close()


def test_every_kind_of_policy_is_held_to_this_contract() -> None:
    tested = {backend.split("-")[0] for backend in BACKENDS}
    assert set(POLICIES) - {"bundled"} == tested  # The bundled model is opened as hf.
