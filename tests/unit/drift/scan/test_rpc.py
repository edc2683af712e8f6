from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fairmem.drift.scan.rpc import Listing, ServerFault, decode, list_tools


class Script:
    """A transport that answers each request with the next of `answers`."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.sent: list[Mapping[str, object]] = []
        self.closed = False

    def send(self, message: Mapping[str, object], deadline: float) -> None:
        self.sent.append(message)

    def receive(self, deadline: float) -> object:
        if not self.answers:
            raise ServerFault("no answer in time")
        return self.answers.pop(0)

    def close(self) -> None:
        self.closed = True


OPENED = {"id": 1, "result": {"protocolVersion": "2025-06-18", "serverInfo": {"name": "files"}}}


def listed(*answers: Any) -> tuple[Listing, Script]:
    script = Script(*answers)
    listing = list_tools(script, timeout=1.0)
    assert script.closed
    return listing, script


def test_all_pages_are_read_and_no_tool_is_called() -> None:
    listing, script = listed(
        OPENED,
        {"id": 2, "result": {"tools": [1, 2], "nextCursor": "p2"}},
        {"id": 3, "result": {"tools": [3]}},
    )
    assert listing == Listing((1, 2, 3), "files", "")
    assert [message["method"] for message in script.sent] == [
        "initialize",
        "notifications/initialized",
        "tools/list",
        "tools/list",
    ]
    assert script.sent[3]["params"] == {"cursor": "p2"}


def test_other_messages_are_passed_over_and_pings_answered() -> None:
    listing, script = listed(
        {"method": "notifications/message", "params": {}},
        "noise",
        {"id": 9, "method": "ping"},
        {"id": "r", "method": "roots/list"},
        OPENED,
        {"id": 2, "result": {"tools": []}},
    )
    assert listing == Listing((), "files", "")
    assert {"jsonrpc": "2.0", "id": 9, "result": {}} in script.sent
    assert {
        "jsonrpc": "2.0",
        "id": "r",
        "error": {"code": -32601, "message": "not offered by this client"},
    } in script.sent


@pytest.mark.parametrize(
    ("answers", "tools", "fault"),
    [
        ((), (), "no answer in time"),
        (({"id": 1, "error": {"code": 1, "message": "go\naway"}},), (), "initialize was refused: 'go away'"),
        (({"id": 1, "result": []},), (), "initialize gave a list, expected an object"),
        ((OPENED, {"id": 2, "result": {}}), (), "tools/list has null under 'tools', expected a list"),
        ((OPENED, {"id": 2, "result": {"tools": [], "nextCursor": 5}}), (), "tools/list has 5 under 'nextCursor'"),
        (
            (OPENED, {"id": 2, "result": {"tools": [1], "nextCursor": "x"}}, {"id": 3, "error": "gone"}),
            (1,),
            "tools/list was refused: 'gone'",
        ),
        (
            (OPENED, *({"id": n, "result": {"tools": [n], "nextCursor": "x"}} for n in (2, 3))),
            (2, 3),
            "gives the cursor 'x' again",
        ),
        (({"method": "notifications/x"},) * 1001, (), "no answer to initialize among 1000 messages"),
    ],
)
def test_a_server_that_answers_wrongly_is_a_fault_beside_what_it_gave(
    answers: tuple[Any, ...], tools: tuple[Any, ...], fault: str
) -> None:
    listing, _ = listed(*answers)
    assert listing.tools == tools
    assert fault in listing.fault


def test_pages_that_never_end_are_given_up() -> None:
    pages = ({"id": n + 2, "result": {"tools": [n], "nextCursor": str(n)}} for n in range(1000))
    listing, _ = listed(OPENED, *pages)
    assert len(listing.tools) == 1000 and listing.fault == "tools/list has more than 1000 pages"


def test_a_line_that_is_not_json_is_a_fault() -> None:
    with pytest.raises(ServerFault, match=r"the server wrote 'Listening on \.\.\.', which is not JSON"):
        decode(b"Listening on ...")
