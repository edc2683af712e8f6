"""A server behind an address: MCP's streamable HTTP, where an answer is JSON or a stream of server-sent events.

Simplified: no authorisation flow (headers can be given) and not the older transport of two addresses.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Mapping

import httpx

from fairmem.drift.scan.rpc import PROTOCOL_VERSION, ServerFault, decode
from fairmem.drift.scan.tool import brief, printable

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LARGEST = 64 * 2**20


class HttpTransport:
    """A session with the server at an address."""

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None) -> None:
        """Open the client; nothing is sent yet.

        Raises:
            ServerFault: the address is not http(s).
        """
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            parsed = httpx.URL("")
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ServerFault(f"the address is {brief(url)}, expected http:// or https://")
        self._url = parsed
        self._headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": PROTOCOL_VERSION,
            **(headers or {}),
        }
        self._waiting: deque[object] = deque()
        # A proxy from the environment cannot reach a server on this machine.
        self._client = httpx.Client(trust_env=parsed.host not in _LOOPBACK)

    def send(self, message: Mapping[str, object], deadline: float) -> None:
        """Post one message and keep what comes back for `receive`."""
        asked = message.get("id") if "method" in message else None
        left = deadline - time.monotonic()
        if left <= 0:
            raise ServerFault("no answer in time")
        try:
            with self._client.stream(
                "POST", self._url, content=json.dumps(message).encode(), headers=self._full_headers(), timeout=left
            ) as answer:
                if answer.status_code >= 300:
                    raise ServerFault(_refusal(answer))
                session = answer.headers.get("mcp-session-id")
                if session:
                    self._headers["Mcp-Session-Id"] = session
                if asked is not None:
                    self._waiting.extend(_messages(answer, asked, deadline))
        except httpx.TimeoutException as error:
            raise ServerFault("no answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
            raise ServerFault(f"{type(error).__name__}: {printable(str(error))}") from error

    def receive(self, deadline: float) -> object:
        """The next message that came back; see `fairmem.drift.scan.rpc.Transport`."""
        if not self._waiting:
            raise ServerFault("the server's answer holds no message for the request")
        return self._waiting.popleft()

    def close(self) -> None:
        """Close the connection; the session on the server is left to expire."""
        self._client.close()

    def _full_headers(self) -> dict[str, str]:
        return {**self._headers, "Content-Type": "application/json"}


def _refusal(answer: httpx.Response) -> str:
    reason = f"HTTP {answer.status_code}"
    if answer.status_code in (401, 403):
        return f"{reason}: the server wants authorisation; give it under 'headers' in a configuration"
    if answer.status_code < 400:
        return f"{reason}: redirects are not followed; give the address they lead to"
    if answer.status_code in (404, 405):
        return f"{reason}: no MCP endpoint for posting here (the older HTTP+SSE transport is not spoken)"
    return reason


def _messages(answer: httpx.Response, asked: object, deadline: float) -> list[object]:
    """The messages of one answer, up to the one that answers request `asked`."""
    if "text/event-stream" not in answer.headers.get("content-type", ""):
        body = b"".join(_limited(answer, deadline))
        value = decode(body)
        return list(value) if isinstance(value, list) else [value]
    found: list[object] = []
    for data in _events(_limited(answer, deadline)):
        message = decode(data)
        found.append(message)
        if isinstance(message, dict) and message.get("id") == asked and "method" not in message:
            break
    return found


def _limited(answer: httpx.Response, deadline: float) -> Iterator[bytes]:
    size = 0
    for part in answer.iter_bytes():
        size += len(part)
        if size > _LARGEST:
            raise ServerFault(f"the answer is larger than {_LARGEST // 2**20} MiB")
        if time.monotonic() > deadline:
            raise ServerFault("no answer in time")
        yield part


def _events(parts: Iterator[bytes]) -> Iterator[str]:
    """The data of each server-sent event in `parts`."""
    rest = b""
    data: list[str] = []
    for part in parts:
        *lines, rest = (rest + part).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            text = line.decode("utf-8", errors="replace")
            if text.startswith("data:"):
                data.append(text[5:].removeprefix(" "))
            elif not text and data:
                yield "\n".join(data)
                data = []
    if data:
        yield "\n".join(data)
