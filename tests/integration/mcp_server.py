"""A small MCP server for tests: `python mcp_server.py MODE` speaks over stdio, `serve(...)` over HTTP on loopback.

Modes: good (two pages), dies (after initialize), silent (never answers), noisy (writes what is no JSON), empty.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAGES = {
    "": (
        [
            {
                "name": "push_files",
                "description": "Push files.",
                "inputSchema": {"type": "object", "properties": {"force": {"type": "boolean"}}},
                "annotations": {"destructiveHint": True},
            }
        ],
        "2",
    ),
    "2": ([{"name": "get_user", "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}}}], None),
}


def answer(message: dict[str, Any], mode: str = "good") -> dict[str, Any] | None:
    """The answer to `message`; None to a notification."""
    if "id" not in message:
        return None
    result: dict[str, Any]
    if message["method"] == "initialize":
        result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "small", "version": "1"}}
    elif message["method"] == "tools/list":
        tools, cursor = PAGES[message["params"].get("cursor", "")]
        result = {"tools": [] if mode == "empty" else tools, **({"nextCursor": cursor} if cursor else {})}
    else:
        return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "unknown"}}
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def speak(mode: str) -> None:
    """Answer over stdio until the input closes."""
    print(f"starting with token {os.environ.get('TOKEN', 'none')}", file=sys.stderr)
    for line in sys.stdin:
        message = json.loads(line)
        if mode == "silent":
            time.sleep(60)
        if mode == "dies" and message["method"] == "tools/list":
            print("out of memory", file=sys.stderr)
            sys.exit(3)
        if mode == "noisy":
            print("Listening ...", flush=True)
        reply = answer(message, mode)
        if reply is not None:
            print(json.dumps(reply), flush=True)


@contextmanager
def serve(mode: str) -> Generator[tuple[str, list[dict[str, str]]], None, None]:
    """(address, headers of each request) of a server on loopback; mode: json, events, refuses or empty."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(dict(self.headers.items()))
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if mode == "refuses":
                self._send(401, "text/plain", "no")
                return
            reply = answer(message, mode)
            if reply is None:
                self._send(202, "text/plain", "")
            elif mode == "events":
                note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {}}
                text = "".join(f"event: message\r\ndata: {json.dumps(one)}\r\n\r\n" for one in (note, reply))
                self._send(200, "text/event-stream", ": hello\r\n\r\n" + text)
            else:
                self._send(200, "application/json", json.dumps(reply))

        def _send(self, status: int, kind: str, text: str) -> None:
            self.send_response(status)
            headers = {"Content-Type": kind, "Content-Length": str(len(text.encode())), "Mcp-Session-Id": "abc"}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/mcp", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    speak(sys.argv[1])
