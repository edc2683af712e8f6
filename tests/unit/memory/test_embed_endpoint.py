from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from fairmem.errors import EndpointError
from fairmem.memory import EndpointEmbedder

_VECTORS = {"north": [0.0, 2.0], "east": [3.0, 0.0], "both": [3.0, 4.0]}


class _Server(ThreadingHTTPServer):
    """An embeddings endpoint on loopback that first gives the planned replies, then right ones."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.planned: list[tuple[int, str]] = []
        self.requests: list[tuple[str, dict[str, Any], str | None]] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, body, self.headers.get("Authorization")))
        if self.server.planned:
            status, text = self.server.planned.pop(0)
        else:
            data = [{"index": i, "embedding": _VECTORS.get(t, [1.0, 0.0])} for i, t in enumerate(body["input"])]
            status, text = 200, json.dumps({"data": data[::-1]})  # order is not promised, the index counts
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with _Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def embedder(server: _Server) -> Iterator[EndpointEmbedder]:
    made = EndpointEmbedder(server.base_url, "tiny", api_key_env="TEST_EMBED_KEY", batch=2, retries=2, backoff=0.001)
    yield made
    made.close()


def test_rows_come_in_the_order_of_the_texts_with_length_one(embedder: EndpointEmbedder) -> None:
    rows = embedder.embed(["both", "north", "east"])
    # [3, 4] has length 5
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.0, 1.0], [1.0, 0.0]], atol=1e-7)
    assert rows.dtype == np.float32
    assert (embedder.dim, embedder.name) == (2, "openai:tiny")


def test_texts_go_out_in_batches_and_blank_ones_not_at_all(server: _Server, embedder: EndpointEmbedder) -> None:
    rows = embedder.embed(["north", " ", "east", "both", ""])
    np.testing.assert_allclose(rows, [[0, 1], [0, 0], [1, 0], [0.6, 0.8], [0, 0]], atol=1e-7)
    assert [body["input"] for _, body, _ in server.requests] == [["north", "east"], ["both"]]
    assert {(path, body["model"]) for path, body, _ in server.requests} == {("/v1/embeddings", "tiny")}


def test_the_key_is_sent_only_when_its_variable_is_set(
    server: _Server, embedder: EndpointEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_EMBED_KEY", raising=False)
    embedder.embed(["north"])
    monkeypatch.setenv("TEST_EMBED_KEY", "abc")
    embedder.embed(["north"])
    assert [key for _, _, key in server.requests] == [None, "Bearer abc"]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_passing_failure_is_tried_again(server: _Server, embedder: EndpointEmbedder, status: int) -> None:
    server.planned = [(status, "busy")]
    np.testing.assert_allclose(embedder.embed(["north"]), [[0.0, 1.0]])
    assert len(server.requests) == 2


def test_a_lasting_failure_raises_and_never_gives_zeros(server: _Server, embedder: EndpointEmbedder) -> None:
    server.planned = [(500, "down for\nrepair")] * 3
    with pytest.raises(EndpointError, match=r"no embeddings after 3 attempts \(status 500: down for repair\)"):
        embedder.embed(["north"])
    assert len(server.requests) == 3


def test_a_refusal_is_not_tried_again(server: _Server, embedder: EndpointEmbedder) -> None:
    server.planned = [(401, "who are you")]
    with pytest.raises(EndpointError, match=r"was refused \(status 401: who are you\).*key in TEST_EMBED_KEY"):
        embedder.embed(["north"])
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        "not JSON",
        "[]",
        '{"data": null}',
        '{"data": []}',
        '{"data": [{"index": 1, "embedding": [1.0, 0.0]}]}',
        '{"data": [{"index": 0}]}',
        '{"data": [{"index": 0, "embedding": 1.0}]}',
        '{"data": [{"index": 0, "embedding": []}]}',
        '{"data": [{"index": 0, "embedding": ["a", "b"]}]}',
        '{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}',
        '{"data": [{"index": 0, "embedding": [1.0, 0.0]}, {"index": 0, "embedding": [1.0, 0.0]}]}',
    ],
)
def test_a_reply_of_another_form_raises(server: _Server, embedder: EndpointEmbedder, reply: str) -> None:
    server.planned = [(200, reply)]
    with pytest.raises(EndpointError, match=r"127\.0\.0\.1"):
        embedder.embed(["north"])


def test_vectors_of_two_lengths_raise(server: _Server, embedder: EndpointEmbedder) -> None:
    embedder.embed(["north"])
    server.planned = [(200, '{"data": [{"index": 0, "embedding": [1.0, 0.0, 0.0]}]}')]
    with pytest.raises(EndpointError, match="vectors of 3 numbers after vectors of 2"):
        embedder.embed(["east"])


def test_the_dimension_is_asked_for_when_nothing_was_embedded_yet(server: _Server, embedder: EndpointEmbedder) -> None:
    assert embedder.dim == 2
    assert embedder.dim == 2
    assert len(server.requests) == 1


def test_an_endpoint_that_is_not_there_raises_after_all_attempts(server: _Server) -> None:
    with _Server() as closed:
        url = closed.base_url
    absent = EndpointEmbedder(url, "tiny", retries=1, backoff=0.001)
    with pytest.raises(EndpointError, match=r"after 2 attempts \(ConnectError.*is the server running"):
        absent.embed(["north"])
    absent.close()


@pytest.mark.parametrize("url", ["ftp://host/v1", "host:1/v1", "http://[::1"])
def test_an_address_that_cannot_be_used_raises_at_once(url: str) -> None:
    wrong = EndpointEmbedder(url, "tiny", retries=5, backoff=10.0)
    with pytest.raises(EndpointError, match="not a usable address"):
        wrong.embed(["north"])
    wrong.close()


def test_half_a_surrogate_pair_can_be_sent(server: _Server, embedder: EndpointEmbedder) -> None:
    embedder.embed(["a\ud800"])
    assert server.requests[0][1]["input"] == ["a?"]
