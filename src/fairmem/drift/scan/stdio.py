"""A server that is started as a process and speaks one JSON message a line."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

from fairmem.drift.scan.rpc import ServerFault, decode
from fairmem.drift.scan.tool import brief, printable

_PASSED_ON = (
    *("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER"),
    *("APPDATA", "LOCALAPPDATA", "PATHEXT", "PROGRAMFILES", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE"),
)
"""Variables of this process that a server sees; keys and tokens are not among them."""
_LONGEST_LINE = 32 * 2**20
_GRACE = 2.0  # Seconds a server has to end after its input closed, and again after SIGTERM.


class StdioTransport:
    """The process of a server."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str = "") -> None:
        """Start `command` with its own variables `env` beside the ordinary ones.

        Raises:
            ServerFault: it cannot be started.
        """
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives until close()
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**kept, **(env or {})},
                cwd=cwd or None,
            )
        except (OSError, ValueError) as error:
            self._errors.close()
            raise ServerFault(f"{brief(command[0])} cannot be started: {printable(str(error))}") from error
        self._lines: queue.Queue[bytes | None] = queue.Queue(maxsize=64)
        self._closed = False
        self._reader = threading.Thread(target=self._read, name="fairmem-mcp-stdio", daemon=True)
        self._reader.start()

    def send(self, message: Mapping[str, object], deadline: float) -> None:
        """Write one line. A request is small, so it fits the pipe even if the server does not read."""
        pipe = self._process.stdin
        if pipe is None:
            raise ServerFault("the server's input is closed")
        try:
            pipe.write(json.dumps(message).encode() + b"\n")
            pipe.flush()
        except (OSError, ValueError) as error:
            raise ServerFault(f"the server stopped reading{self._last_words()}") from error

    def receive(self, deadline: float) -> object:
        """The next line as JSON; see `fairmem.drift.scan.rpc.Transport`."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ServerFault("no answer in time")
            try:
                line = self._lines.get(timeout=left)
            except queue.Empty:
                raise ServerFault("no answer in time") from None
            if line is None:
                raise ServerFault(f"the server ended{self._last_words()}")
            if len(line) >= _LONGEST_LINE:
                raise ServerFault(f"the server wrote a line of more than {_LONGEST_LINE // 2**20} MiB")
            if line.strip():
                return decode(line)

    def close(self) -> None:
        """Close the server's input, then end the process that was started here if it does not end itself."""
        if self._closed:
            return
        self._closed = True
        if self._process.stdin is not None:
            with suppress(OSError):  # The server may be gone already, which is what is wanted.
                self._process.stdin.close()
        for end in (None, self._process.terminate, self._process.kill):
            if end is not None:
                end()
            try:
                self._process.wait(timeout=_GRACE)
                break
            except subprocess.TimeoutExpired:
                continue
        while self._reader.is_alive():  # It may wait for room in the queue.
            try:
                self._lines.get(timeout=0.05)
            except queue.Empty:
                self._reader.join(timeout=0.05)
                if self._process.poll() is not None:
                    break
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()
        self._errors.close()

    def _read(self) -> None:
        pipe = self._process.stdout
        while pipe is not None:
            try:
                line = pipe.readline(_LONGEST_LINE)
            except (OSError, ValueError):
                line = b""
            self._lines.put(line or None)
            if not line:
                return

    def _last_words(self) -> str:
        """The last line of the server's error output, for a message."""
        with suppress(subprocess.TimeoutExpired):  # It may have closed its output and run on.
            self._process.wait(timeout=0.5)
        self._errors.seek(0)
        lines = self._errors.read(2**20).decode("utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "")
        return f"; its last words: {brief(last.strip(), 120)}" if last else ""
