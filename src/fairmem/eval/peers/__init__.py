"""Memory products of others as memories of an evaluation: the same model, answerer, budget and questions.

Each is an extra of its own, imported when it is asked for. They speak to `fairmem.eval.gateway`, never to the network.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from fairmem.errors import ConfigError, MissingExtraError
from fairmem.eval.gateway import Gateway
from fairmem.eval.peers.langmem import LangMem
from fairmem.eval.peers.lightrag import LightRag
from fairmem.eval.peers.mem0 import Mem0
from fairmem.eval.peers.product import OpenProduct, PeerMemory, Product, Said

__all__ = [
    "LangMem",
    "LightRag",
    "Mem0",
    "OpenProduct",
    "PEERS",
    "PeerMemory",
    "Product",
    "Said",
    "peer_memory",
]

PEERS: dict[str, OpenProduct] = {"mem0": Mem0, "langmem": LangMem, "lightrag": LightRag}
"""Name on the command line -> what opens the product; the name is also that of its extra and of what it imports."""


def peer_memory(name: str, gateway: Gateway | None, folder: Path | None, per_speaker: int) -> PeerMemory:
    """The memory that the product `name` is, with its stores below `folder`.

    Raises:
        MissingExtraError: it is not installed; the message says the pip line.
        ConfigError: there is no server for it to ask.
    """
    if importlib.util.find_spec(name) is None:
        raise MissingExtraError.of(name, name, f"memory '{name}'")
    if gateway is None or folder is None:
        raise ConfigError(f"memory '{name}' needs a server to ask and a folder; evaluate it with fairmem eval")
    return PeerMemory(name, PEERS[name], gateway, folder, per_speaker)
