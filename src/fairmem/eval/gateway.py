"""A small OpenAI-compatible server on this machine, in front of any policy and embedder; every reply is kept.

Memory products bring their own clients. Given this server's address, they ask the same model as everybody else in an
evaluation, a local one too, and what they ask is written down as soon as it is answered: a run that is killed and
resumed asks nothing twice, and calls, tokens and failures are counted as for fairmem's own memory.

It serves `POST /v1/chat/completions` and `POST /v1/embeddings` to the loopback interface only. Requests to an endpoint
pass through as they are (tools, response formats), with the evaluation's model. A policy that runs here takes the text
of the messages; tools are then written into the prompt, and a call is read back from the text of the reply.

Products write random ids (UUIDs) into their prompts, so two runs never ask the same. Replies are therefore kept by what
is asked with these ids numbered in the order they occur, and a kept reply gets the ids of the request it answers.

Simplified: no streaming; one choice; a failed call is an HTTP 400 with the reason, so that clients do not insist (the
policy has done its own retries by then).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from fairmem.eval.calls import read_lines
from fairmem.memory import Embedder
from fairmem.policy import Message, OpenAIPolicy, Policy, SampleRequest
from fairmem.policy.calls import ToolSpec, loads, read_tool_reply, text_instruction
from fairmem.seeds import derive
from fairmem.trace import CallFailure, FailureKind, StopReason

DEFAULT_TOKENS = 1024
"""Most tokens of a reply where the client does not say."""
_IGNORED = ("model", "stream", "n", "user")
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Spent:
    """What was asked since some moment: chat completions, failed ones, their tokens, and the first failure."""

    calls: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    failure: str | None = None

    def since(self, before: Spent) -> Spent:
        """What came after `before`; its `failure` is the first one after."""
        return Spent(
            self.calls - before.calls,
            self.failures - before.failures,
            self.prompt_tokens - before.prompt_tokens,
            self.reply_tokens - before.reply_tokens,
            self.failure if self.failures > before.failures else None,
        )


class Gateway:
    """Serves `policy` and `embedder` until it is closed; use it in a `with` statement.

    Attributes:
        base_url: Its address, up to and with `/v1`.
        model: The name to ask for; any other is answered too.
        embedder: What makes the vectors.
    """

    def __init__(
        self, policy: Policy, embedder: Embedder, path: Path | None = None, *, identity: str = "", seed: int = 0
    ) -> None:
        """Start to serve.

        Args:
            policy: What answers chat completions.
            embedder: What answers embeddings.
            path: File of the replies (JSON lines), read if it is there; None keeps them in memory only.
            identity: What else decides a reply, such as a stamp of the weights.
            seed: Of requests that name none.
        """
        self.model, self.embedder = policy.name, embedder
        self._policy, self._path, self._seed = policy, path, seed
        self._identity = f"{policy.name} {identity}"
        # A policy that runs here is not made for several threads; an endpoint's is.
        self._turn = threading.Lock() if not isinstance(policy, OpenAIPolicy) else None
        self._lock = threading.Lock()
        self._spent = Spent()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._kept = {str(line.get("request")): line for line in read_lines(path)} if path is not None else {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; the policy stays open."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def spent(self) -> Spent:
        """What was asked so far, replies from the file included."""
        with self._lock:
            return self._spent

    def complete(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """(HTTP status, answer) of one chat completion."""
        if body.get("stream"):
            return 400, _error("streaming is not served here; ask without 'stream'")
        if not isinstance(body.get("messages"), list):
            return 400, _error("'messages' should be a list")
        fields = {name: value for name, value in body.items() if name not in _IGNORED and value is not None}
        text = json.dumps([self._identity, fields], sort_keys=True)
        ids = list(dict.fromkeys(_UUID.findall(text)))
        key = hashlib.sha256(_numbered(text, ids).encode()).hexdigest()
        with self._lock:
            line = self._kept.get(key)
        if line is None:
            found = self._ask(fields)
            if isinstance(found, CallFailure):
                self._count(1, 0, 0, f"{found.kind}: {found.message}")
                return 400, _error(f"{found.kind}: {found.message}")
            line = {"request": key, **json.loads(_numbered(json.dumps(found), ids))}
            with self._lock:
                self._kept[key] = line
                if self._path is not None:
                    with self._path.open("a", encoding="utf-8") as out:
                        out.write(json.dumps(line) + "\n")
        self._count(0, int(line["prompt_tokens"]), int(line["reply_tokens"]), None)
        return 200, _completion(key, self.model, json.loads(_named(json.dumps(line), ids)))

    def embed(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """(HTTP status, answer) of one request for embeddings of a text or of a list of texts."""
        given: Any = body.get("input")
        texts: list[Any] = [given] if isinstance(given, str) else given if isinstance(given, list) else []
        if not texts or not all(isinstance(text, str) for text in texts):
            return 400, _error("'input' should be a text or a list of texts")
        rows = self.embedder.embed(texts)
        data = [{"object": "embedding", "index": i, "embedding": row.tolist()} for i, row in enumerate(rows)]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        return 200, {"object": "list", "model": self.embedder.name, "data": data, "usage": usage}

    def _count(self, failures: int, prompt: int, reply: int, failure: str | None) -> None:
        with self._lock:
            old = self._spent
            first = failure if failure is not None else old.failure
            self._spent = Spent(
                old.calls + 1, old.failures + failures, old.prompt_tokens + prompt, old.reply_tokens + reply, first
            )

    def _ask(self, fields: dict[str, Any]) -> CallFailure | dict[str, Any]:
        """The reply as it is kept: `message`, `finish`, `prompt_tokens`, `reply_tokens`."""
        if isinstance(self._policy, OpenAIPolicy):
            return _pass_on(self._policy, fields, self._seed)
        assert self._turn is not None
        with self._turn:
            return self._sample(fields)

    def _sample(self, fields: dict[str, Any]) -> CallFailure | dict[str, Any]:
        tools = _tools(fields)
        messages = [Message(_role(m), _text(m)) for m in _objects(fields["messages"])]
        if tools and messages:
            last = messages[-1]
            messages[-1] = Message(last.role, f"{last.content}\n\n{text_instruction(tools)}")
        most = int(fields.get("max_tokens") or fields.get("max_completion_tokens") or DEFAULT_TOKENS)
        seed = int(fields.get("seed") or derive(self._seed, "gateway"))
        request = SampleRequest(tuple(messages), most, float(fields.get("temperature") or 0.0), seed, "gateway")
        reply = self._policy.sample([request])[0]
        if isinstance(reply, CallFailure):
            return reply
        message: dict[str, Any] = {"role": "assistant", "content": reply.text}
        finish = "length" if reply.stop is StopReason.LENGTH else "stop"
        if tools:
            body = {"choices": [{"message": message, "finish_reason": finish}]}
            called = read_tool_reply(json.dumps(body), tools)
            if not isinstance(called, CallFailure) and called.tool is not None and called.arguments is not None:
                function = {"name": called.tool, "arguments": json.dumps(called.arguments)}
                calls = [{"id": "call_0", "type": "function", "function": function}]
                message, finish = {"role": "assistant", "content": None, "tool_calls": calls}, "tool_calls"
        prompt = len(reply.prompt_ids) or sum(self._policy.count_tokens(m.content) for m in messages)
        said = len(reply.ids) or self._policy.count_tokens(reply.text)
        return {"message": message, "finish": finish, "prompt_tokens": prompt, "reply_tokens": said}


def _pass_on(policy: OpenAIPolicy, fields: dict[str, Any], seed: int) -> CallFailure | dict[str, Any]:
    done = policy.exchange(fields, seed)
    if done.failure is not None:
        return done.failure
    body: Any = loads(done.text)
    choices = cast("dict[str, Any]", body).get("choices") if isinstance(body, dict) else None
    first: Any = cast("list[Any]", choices)[0] if isinstance(choices, list) and choices else None
    message: Any = cast("dict[str, Any]", first).get("message") if isinstance(first, dict) else None
    if not isinstance(message, dict):
        quoted = " ".join(done.text.split())[:200]
        return CallFailure(kind=FailureKind.BAD_RESPONSE, message=f"the answer is no chat completion: {quoted}")
    usage: Any = cast("dict[str, Any]", body).get("usage")
    counts = cast("dict[str, Any]", usage) if isinstance(usage, dict) else {}
    asked = sum(policy.count_tokens(_text(m)) for m in _objects(fields["messages"]))
    said = policy.count_tokens(json.dumps(message))
    return {
        "message": message,
        "finish": str(cast("dict[str, Any]", first).get("finish_reason") or "stop"),
        "prompt_tokens": _number(counts.get("prompt_tokens"), asked),
        "reply_tokens": _number(counts.get("completion_tokens"), said),
    }


def _numbered(text: str, ids: Sequence[str]) -> str:
    for number, own in enumerate(ids):
        text = text.replace(own, f"<id {number}>")
    return text


def _named(text: str, ids: Sequence[str]) -> str:
    for number, own in enumerate(ids):
        text = text.replace(f"<id {number}>", own)
    return text


def _number(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and value >= 0 else otherwise


def _objects(items: Any) -> list[dict[str, Any]]:
    return [cast("dict[str, Any]", item) for item in cast("list[Any]", items) if isinstance(item, dict)]


def _role(message: dict[str, Any]) -> Any:
    role = message.get("role")
    return role if role in ("system", "user", "assistant") else "system" if role == "developer" else "user"


def _text(message: dict[str, Any]) -> str:
    """The text of a message whose content is text or a list of parts; earlier calls of tools stand as JSON."""
    content: Any = message.get("content")
    parts = [content] if isinstance(content, str) else [str(part.get("text") or "") for part in _objects(content or [])]
    if message.get("tool_calls"):
        parts.append(json.dumps(message["tool_calls"]))
    return "\n".join(part for part in parts if part)


def _tools(fields: dict[str, Any]) -> Sequence[ToolSpec]:
    found: list[ToolSpec] = []
    for tool in _objects(fields.get("tools") or []):
        function = tool.get("function")
        if isinstance(function, dict):
            made = cast("dict[str, Any]", function)
            schema: Any = made.get("parameters") or {}
            found.append(ToolSpec(str(made.get("name")), str(made.get("description") or ""), schema))
    return found


def _completion(key: str, model: str, line: dict[str, Any]) -> dict[str, Any]:
    prompt, reply = int(line["prompt_tokens"]), int(line["reply_tokens"])
    return {
        "id": f"chatcmpl-{key[:24]}",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": line["message"], "finish_reason": line["finish"], "logprobs": None}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply},
    }


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": None, "param": None}}


def _handler(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    routes = {"/v1/chat/completions": gateway.complete, "/v1/embeddings": gateway.embed}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body: Any = loads(raw.decode("utf-8", "replace"))
            answer = routes.get(self.path.partition("?")[0])
            if answer is None:
                status, content = 404, _error(f"{self.path} is not served here; {', '.join(routes)} are")
            elif not isinstance(body, dict):
                status, content = 400, _error("the body is no JSON object")
            else:
                status, content = answer(cast("dict[str, Any]", body))
            text = json.dumps(content).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
            except (BrokenPipeError, ConnectionResetError):
                return  # A client that stopped waiting gets the kept reply when it asks again.

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
