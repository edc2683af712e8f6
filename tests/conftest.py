"""Settings of every test: no network but loopback, few threads, no model hub."""

from __future__ import annotations

import os

# Before any test imports numpy, torch or transformers, which read these once.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # one per test process, so that sums do not depend on the load
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

# A deadline per example measures how busy the machine is, not the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


class NetworkBlockedError(RuntimeError):
    """A test tried to reach something outside this machine."""


def _check(family: int, address: Any) -> None:
    if family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = str(address[0])
    if host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise NetworkBlockedError(f"tests reach nothing but loopback, this one tried {address}")


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """Refuse name look-ups and connections that leave this machine."""
    lookup = socket.getaddrinfo

    class LoopbackSocket(socket.socket):
        def connect(self, address: Any) -> None:
            _check(self.family, address)
            super().connect(address)

        def connect_ex(self, address: Any) -> int:
            _check(self.family, address)
            return super().connect_ex(address)

        def sendto(self, *args: Any) -> int:
            _check(self.family, args[-1])
            return super().sendto(*args)

    def loopback_lookup(host: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None:
            _check(socket.AF_INET, (name,))
        return lookup(host, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", LoopbackSocket)
        patch.setattr(socket, "getaddrinfo", loopback_lookup)
        yield
