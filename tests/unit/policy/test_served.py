"""Servers of token ids over loopback, as they are and with everything that goes wrong between here and there."""

from __future__ import annotations

import dataclasses
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairmem.errors import ConfigError, EndpointError, ModelError
from fairmem.policy import ConcurrentPolicy, Message, Sample, SampleRequest, open_policy
from fairmem.policy.served import ServedPolicy
from fairmem.policy.token_server import Answer, TokenServer
from fairmem.trace import CallFailure, FailureKind


class Faulty(TokenServer):
    """A real server whose answers a test may replace; keeps what it was asked, and how much at once."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.moments: list[float] = []
        self.planned: list[Callable[[dict[str, Any]], Answer | None]] = []
        self.otherwise: Callable[[dict[str, Any]], Answer | None] = lambda body: None
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        super().__init__(folder, **options)

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        if path != "/v1/completions":
            return super().answer(path, body)
        with self.lock:
            self.bodies.append(body)
            self.moments.append(time.monotonic())
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            plan = self.planned.pop(0) if self.planned else self.otherwise
        try:
            return plan(body) or super().answer(path, body)
        finally:
            with self.lock:
                self.in_flight -= 1


@pytest.fixture(scope="module")
def served(model_folder: Path) -> Iterator[Faulty]:
    server = Faulty(model_folder)
    with server:
        yield server


@pytest.fixture
def server(served: Faulty) -> Faulty:
    served.bodies, served.moments, served.planned = [], [], []
    served.otherwise = lambda body: None
    served.in_flight = served.most_in_flight = 0
    return served


def opened(model_folder: Path, *servers: TokenServer, **options: Any) -> ServedPolicy:
    address = " ".join(server.base_url for server in servers)
    fast: dict[str, Any] = {"first_wait": 0.001, "timeout": 60.0, **options}
    policy = open_policy("served:tiny", base_url=address, folder=str(model_folder), **fast)
    assert isinstance(policy, ServedPolicy)
    return policy


def ask(text: str = "Where does Ana live?", **options: Any) -> SampleRequest:
    fields: dict[str, Any] = {"max_tokens": 8, "seed": 2**61 + 5, **options}
    return SampleRequest((Message("user", text),), **fields)


def one(policy: ServedPolicy, request: SampleRequest | None = None) -> Sample | CallFailure:
    (reply,) = policy.sample([request or ask()])
    policy.close()
    return reply


REQUESTS = [
    ask(text, seed=2**60 + 7 * number, max_tokens=3 + number % 9, temperature=(1.0, 0.7, 0.0)[number % 3])
    for number in range(12)
    for text in ("Where does Ana live?", "Bo has a dog.")
]


def test_ids_are_those_of_the_policy_in_this_process_and_log_probabilities_agree(
    server: Faulty, model_folder: Path
) -> None:
    policy = opened(model_folder, server)
    replies = policy.sample(REQUESTS)
    policy.close()
    local = open_policy(f"hf:{model_folder}", device="cpu").sample(REQUESTS)
    for there, here in zip(replies, local, strict=True):
        assert isinstance(there, Sample) and isinstance(here, Sample)
        assert (there.ids, there.prompt_ids, there.text, there.stop) == (
            here.ids,
            here.prompt_ids,
            here.text,
            here.stop,
        )
        assert there.logprobs == pytest.approx(here.logprobs, abs=1e-5)
        assert there.version == 0 and here.version is None


def test_replies_that_come_in_another_order_are_the_same_replies(server: Faulty, model_folder: Path) -> None:
    policy = opened(model_folder, server)
    straight = policy.sample(REQUESTS)
    shuffled = random.Random(3)

    def late(body: dict[str, Any]) -> None:
        time.sleep(shuffled.random() * 0.1)

    server.otherwise = late
    ended: list[int] = []
    futures = policy.submit(REQUESTS)
    for number, future in enumerate(futures):
        future.add_done_callback(lambda _, number=number: ended.append(number))
    mixed = [future.result() for future in futures]
    policy.close()
    assert ended != sorted(ended) and len(ended) == len(REQUESTS)
    assert [(r.ids, r.text) for r in mixed if isinstance(r, Sample)] == [
        (r.ids, r.text) for r in straight if isinstance(r, Sample)
    ]
    assert isinstance(policy, ConcurrentPolicy)


def test_a_slow_reply_holds_up_no_other(server: Faulty, model_folder: Path) -> None:
    policy = opened(model_folder, server)
    released = threading.Event()

    def held(body: dict[str, Any]) -> None:
        if body["max_tokens"] == 7:  # whichever comes first
            released.wait(100)

    server.otherwise = held
    slow, *others = policy.submit([ask(seed=n, max_tokens=8 if n else 7) for n in range(6)])
    assert all(isinstance(future.result(timeout=90), Sample) for future in others)
    assert not slow.done()
    released.set()
    assert isinstance(slow.result(timeout=90), Sample)
    policy.close()


def test_siblings_of_one_fork_send_the_very_same_prefix_ids_one_after_the_other(
    server: Faulty, model_folder: Path
) -> None:
    policy = opened(model_folder, server, in_flight=1)
    texts = ["Ana lives.", "Bo has a dog.", "Lodz."]
    policy.sample([ask(texts[n % 3], seed=n) for n in range(12)])
    policy.close()
    sent = [tuple(body["prompt"]) for body in server.bodies]
    expected = [policy.encode(text) for text in texts]
    assert sent == [prompt for prompt in expected for _ in range(4)]
    assert [body["seed"] for body in server.bodies] == [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]


def test_equal_prompts_meet_at_one_of_several_servers(server: Faulty, model_folder: Path) -> None:
    other = Faulty(model_folder)
    with other:
        policy = opened(model_folder, server, other)
        policy.sample([ask(f"Ana {n % 8}", seed=n) for n in range(32)])
        policy.close()
        here, there = ({tuple(body["prompt"]) for body in each.bodies} for each in (server, other))
    assert here and there and not here & there
    assert len(here | there) == 8 and len(server.bodies) + len(other.bodies) == 32


def status(code: int, text: str = "no", **headers: str) -> Callable[[dict[str, Any]], Answer]:
    return lambda body: (code, {"error": text, "headers": dict(headers)})


@pytest.mark.parametrize("code", [429, 503])
def test_a_busy_server_is_left_alone_for_as_long_as_it_says(server: Faulty, model_folder: Path, code: int) -> None:
    server.planned = [status(code, **{"Retry-After": "1"})]
    policy = opened(model_folder, server, in_flight=8)
    replies = policy.sample([ask(seed=n) for n in range(1)])
    assert isinstance(replies[0], Sample)
    assert server.moments[1] - server.moments[0] >= 1.0
    assert policy.limits == (4,) or policy.limits == (5,)  # halved, and one success since
    policy.close()


def test_a_server_that_takes_few_at_once_gets_few_and_nothing_is_lost(server: Faulty, model_folder: Path) -> None:
    def crowded(body: dict[str, Any]) -> Answer | None:
        if server.in_flight > 3:
            return 429, {"error": "busy"}
        time.sleep(0.005)
        return None

    server.otherwise = crowded
    policy = opened(model_folder, server, in_flight=64, attempts=3, timeout=200.0)
    replies = policy.sample([ask(seed=n, max_tokens=2) for n in range(80)])
    assert all(isinstance(reply, Sample) for reply in replies)
    assert policy.limits[0] < 64
    assert len(server.bodies) < 80 + 150  # not hammered: far fewer refusals than one per request in every round
    policy.close()


def test_a_server_that_stays_busy_is_given_up_after_the_timeout(server: Faulty, model_folder: Path) -> None:
    server.otherwise = status(429)
    reply = one(opened(model_folder, server, timeout=0.2))
    assert isinstance(reply, CallFailure) and reply.kind is FailureKind.RATE_LIMITED
    assert "busy for 0." in reply.message and reply.attempts > 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(status(500, "cuda"), FailureKind.SERVER_ERROR), (status(504), FailureKind.TIMEOUT)],
)
def test_an_error_of_the_server_is_tried_again(
    server: Faulty, model_folder: Path, fault: Callable[[dict[str, Any]], Answer], kind: FailureKind
) -> None:
    server.planned = [fault, fault]
    assert isinstance(one(opened(model_folder, server, attempts=3)), Sample)
    server.planned = [fault, fault]
    reply = one(opened(model_folder, server, attempts=2))
    assert isinstance(reply, CallFailure) and (reply.kind, reply.attempts) == (kind, 2)


def test_a_reply_that_the_server_broke_off_is_asked_for_again(server: Faulty, model_folder: Path) -> None:
    def aborted(body: dict[str, Any]) -> Answer:
        code, content = TokenServer.answer(server, "/v1/completions", body)
        content["choices"][0]["finish_reason"] = "abort"
        return code, content

    server.planned = [aborted]
    policy = opened(model_folder, server)
    (whole,) = policy.sample([ask()])
    (again,) = policy.sample([ask()])
    policy.close()
    assert isinstance(whole, Sample) and isinstance(again, Sample) and whole.ids == again.ids
    assert len(server.bodies) == 3


def test_an_id_that_no_tokenizer_has_is_a_failure_and_holds_nothing_up(server: Faulty, model_folder: Path) -> None:
    def odd(body: dict[str, Any]) -> Answer:
        code, content = TokenServer.answer(server, "/v1/completions", body)
        content["choices"][0]["token_ids"][0] = 2**70
        return code, content

    server.planned = [odd]
    policy = opened(model_folder, server, in_flight=1)
    replies = policy.sample([ask(seed=n) for n in range(3)])
    policy.close()
    assert [isinstance(reply, Sample) for reply in replies] == [False, True, True]


def test_no_answer_in_time_is_a_timeout(server: Faulty, model_folder: Path) -> None:
    server.otherwise = lambda body: time.sleep(0.4)
    reply = one(opened(model_folder, server, attempts=2, timeout=0.1))
    assert isinstance(reply, CallFailure) and (reply.kind, reply.attempts) == (FailureKind.TIMEOUT, 2)
    time.sleep(0.8)  # the server's threads are done before the next test counts


def test_a_connection_that_is_dropped_is_tried_again_and_then_unreachable(model_folder: Path) -> None:
    dropped = 0
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def drop() -> None:
            nonlocal dropped
            for _ in range(2):
                connection, _ = listening.accept()
                connection.recv(100)
                connection.close()
                dropped += 1

        thread = threading.Thread(target=drop)
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        policy = open_policy("served:tiny", address, folder=str(model_folder), attempts=2, first_wait=0.001)
        assert isinstance(policy, ServedPolicy)
        reply = one(policy)
        thread.join()
    assert isinstance(reply, CallFailure) and (reply.kind, reply.attempts) == (FailureKind.UNREACHABLE, 2)
    assert dropped == 2


def test_what_one_server_cannot_be_reached_for_the_next_one_does(server: Faulty, model_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        policy = open_policy(
            "served:tiny", f"{dead} {server.base_url}", folder=str(model_folder), first_wait=0.001, timeout=20.0
        )
        replies = policy.sample([ask(f"Ana {n}", seed=n) for n in range(8)])
        policy.close()
    assert all(isinstance(reply, Sample) for reply in replies)


def test_a_refused_request_is_named_and_not_repeated(server: Faulty, model_folder: Path) -> None:
    server.planned = [status(400, "maximum context length is 4")]
    reply = one(opened(model_folder, server))
    assert isinstance(reply, CallFailure) and (reply.kind, reply.attempts) == (FailureKind.PROMPT_TOO_LONG, 1)


def test_log_probabilities_of_the_wrong_length_are_a_failure_among_good_replies(
    server: Faulty, model_folder: Path
) -> None:
    def short(body: dict[str, Any]) -> Answer | None:
        if body["seed"] != 1:
            return None
        code, content = TokenServer.answer(server, "/v1/completions", body)
        content["choices"][0]["logprobs"]["token_logprobs"].pop()
        return code, content

    server.otherwise = short
    policy = opened(model_folder, server)
    replies = policy.sample([ask(seed=n) for n in range(4)])
    policy.close()
    kinds = [reply.kind if isinstance(reply, CallFailure) else "sample" for reply in replies]
    assert kinds == ["sample", FailureKind.BAD_RESPONSE, "sample", "sample"]
    assert (policy.stats.requests, policy.stats.failures, policy.last_call.failures) == (4, 1, 1)


def test_a_prompt_that_does_not_fit_is_not_sent(server: Faulty, model_folder: Path) -> None:
    reply = one(opened(model_folder, server), ask("Ana lives in Lodz. " * 80))
    assert isinstance(reply, CallFailure) and reply.kind is FailureKind.PROMPT_TOO_LONG
    assert server.bodies == []


def test_samples_carry_the_version_of_the_weights_they_were_asked_from(server: Faulty, model_folder: Path) -> None:
    def untold(body: dict[str, Any]) -> Answer:
        code, content = TokenServer.answer(server, "/v1/completions", body)
        del content["weight_version"]
        return code, content

    policy = opened(model_folder, server, version=4)
    (told,) = policy.sample([ask()])
    server.otherwise = untold
    (assumed,) = policy.sample([ask()])
    policy.version = 5
    (later,) = policy.sample([ask()])
    policy.close()
    assert [reply.version for reply in (told, assumed, later) if isinstance(reply, Sample)] == [0, 4, 5]


def test_given_tokens_are_scored_as_in_this_process(server: Faulty, model_folder: Path) -> None:
    policy, local = opened(model_folder, server), open_policy(f"hf:{model_folder}", device="cpu")
    prompts, replies = [(10, 11, 12), (20,), (30, 31)], [(40, 41), (), (50,)]
    found = policy.score(prompts, replies)
    assert [len(row) for row in found] == [2, 0, 1]
    for there, here in zip(found, local.score(prompts, replies), strict=True):
        assert there == pytest.approx(here, abs=1e-5)
    with pytest.raises(ModelError, match="cannot score"):
        policy.score([(1,) * 300], [(2,)])
    policy.close()


def test_a_check_names_the_server_that_gives_nothing_to_train_on(server: Faulty, model_folder: Path) -> None:
    policy = opened(model_folder, server)
    policy.check()
    policy.close()
    server.otherwise = lambda body: (200, {"choices": [{"text": "OK", "finish_reason": "length"}]})
    policy = opened(model_folder, server)
    with pytest.raises(EndpointError, match=f"{server.base_url}.*no token ids.*vLLM 0.10.2"):
        policy.check()
    policy.close()


def test_calls_that_wait_when_the_policy_closes_are_failures(server: Faulty, model_folder: Path) -> None:
    released = threading.Event()

    def held(body: dict[str, Any]) -> None:
        released.wait(5)

    server.otherwise = held
    policy = opened(model_folder, server, in_flight=1)
    futures = policy.submit([ask(seed=n) for n in range(3)])
    time.sleep(0.05)
    policy.close()
    replies = [future.result(timeout=5) for future in futures]
    released.set()
    assert [r.kind for r in replies if isinstance(r, CallFailure)] == [FailureKind.UNREACHABLE] * 3


@pytest.mark.parametrize(
    "options",
    [{"base_url": ""}, {"base_url": "ftp://x/v1"}, {"in_flight": 0}, {"timeout": 0.0}, {"folder": "openai:x"}],
)
def test_what_cannot_be_is_refused_in_one_line(model_folder: Path, options: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"base_url": "http://127.0.0.1:1/v1", "folder": str(model_folder), **options}
    with pytest.raises(ConfigError) as refused:
        open_policy("served:tiny", **fields)
    assert "\n" not in str(refused.value)


def test_requests_are_not_changed_by_being_sent(server: Faulty, model_folder: Path) -> None:
    request = ask()
    before = dataclasses.asdict(request)
    one(opened(model_folder, server), request)
    assert dataclasses.asdict(request) == before
