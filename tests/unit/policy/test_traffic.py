"""Requests to servers that answer, refuse and are not there; what a policy does with them is in test_served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from fairmem.errors import ConfigError
from fairmem.policy.openai import Retries
from fairmem.policy.traffic import Traffic
from fairmem.trace import CallFailure, FailureKind


class Echo(BaseHTTPRequestHandler):
    """Answers with the field `say` and its own key, or with the status in the field `status`."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = f"{body.get('say')} {self.headers.get('Authorization')}".encode()
        self.send_response(body.get("status", 200))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def address() -> Iterator[str]:
    """Of a server that runs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def traffic(settled: list[tuple[Any, int]], *servers: str) -> Traffic:
    return Traffic(
        servers, "secret", 4, 10.0, Retries(3, 0.001, 0.01), lambda outcome, sent: settled.append((outcome, sent))
    )


def test_every_job_gets_its_own_answer_and_is_told_with_its_requests(address: str) -> None:
    settled: list[tuple[Any, int]] = []
    made = traffic(settled, address)
    jobs = [made.job({"say": number}, (number,), 0, str.upper) for number in range(9)]
    made.start(jobs)
    assert [job.future.result(10) for job in jobs] == [f"{number} BEARER SECRET" for number in range(9)]
    made.close()
    made.close()  # once more is no harm
    assert sorted(settled) == [(f"{number} BEARER SECRET", 1) for number in range(9)]


def test_an_error_is_tried_as_often_as_said_and_then_a_failure(address: str) -> None:
    settled: list[tuple[Any, int]] = []
    made = traffic(settled, address)
    broken = made.job({"status": 500}, (1,), 0, str)
    unread = made.job({"say": 1}, (1,), 0, int)
    made.start([broken, unread])
    failure, other = broken.future.result(10), unread.future.result(10)
    made.close()
    assert isinstance(failure, CallFailure) and (failure.kind, failure.attempts) == (FailureKind.SERVER_ERROR, 3)
    assert isinstance(other, CallFailure) and other.kind is FailureKind.BAD_RESPONSE
    assert "cannot be read: ValueError" in other.message and {sent for _, sent in settled} == {3, 1}


def test_what_has_one_prompt_goes_to_one_server_and_on_to_the_next_if_that_is_away(address: str) -> None:
    away = "http://127.0.0.1:9/v1"
    made = traffic([], away, address)
    jobs = [made.job({"say": number}, (number % 20,), 0, str) for number in range(40)]
    firsts = [job.lanes[0] for job in jobs]
    assert firsts[:20] == firsts[20:] and set(firsts) == {0, 1}
    made.start(jobs)
    assert all(job.future.result(10) == f"{number} Bearer secret" for number, job in enumerate(jobs))
    assert {job.sent for job, first in zip(jobs, firsts, strict=True) if first == 1} == {1}
    assert {job.sent for job, first in zip(jobs, firsts, strict=True) if first == 0} == {2}
    assert made.servers == (away, address) and made.limits == (4, 4)
    made.close()


def test_an_address_that_is_none_is_refused_before_anything_starts() -> None:
    with pytest.raises(ConfigError):
        traffic([], "ftp://x")
