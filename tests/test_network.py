"""The fence around the tests: what leaves this machine is refused, loopback works."""

from __future__ import annotations

import socket

import pytest

from tests.conftest import NetworkBlockedError


def test_a_connection_to_another_machine_is_refused() -> None:
    with socket.socket() as outside, pytest.raises(NetworkBlockedError):
        outside.connect(("192.0.2.1", 80))


def test_looking_up_a_name_is_refused() -> None:
    with pytest.raises(NetworkBlockedError):
        socket.create_connection(("example.org", 80), timeout=1)


def test_loopback_connects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname(), timeout=5)
        client.close()
