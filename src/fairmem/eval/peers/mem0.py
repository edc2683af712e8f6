"""mem0ai 2.x (Apache-2.0): one extraction call per session that only adds; Qdrant in a folder, SQLite for its history.

Its open-source `add` takes no time of its own, so the day stands in every message; its prompt also names the day it is
asked, so a build that goes on another day asks anew. Telemetry is switched off before it is imported, and its settings
go beside the stores instead of the home folder.

Without spaCy and its language model (which no package index has) mem0 searches by vectors alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairmem.errors import MissingExtraError
from fairmem.eval.gateway import Gateway
from fairmem.eval.peers.product import Said

_USER = "conversation"
_ALL = 100_000


class Mem0:
    """See `Product`."""

    def __init__(self, folder: Path, gateway: Gateway) -> None:
        """Open the store in `folder`."""
        memory = _imported(folder)
        at = {"openai_base_url": gateway.base_url, "api_key": "none"}
        vectors = {"path": str(folder / "qdrant"), "on_disk": True, "embedding_model_dims": gateway.embedder.dim}
        config: dict[str, Any] = {
            "vector_store": {"provider": "qdrant", "config": {"collection_name": "memories", **vectors}},
            "llm": {"provider": "openai", "config": {"model": gateway.model, "temperature": 0.0, **at}},
            "embedder": {"provider": "openai", "config": {"model": gateway.embedder.name, **at}},
            "history_db_path": str(folder / "history.db"),
        }
        config["embedder"]["config"]["embedding_dims"] = gateway.embedder.dim
        self._memory: Any = memory.from_config(config)

    def add(self, turns: Sequence[Said]) -> None:
        """One `add` with a message per turn."""
        messages = [{"role": "user", "name": turn.speaker, "content": turn.text} for turn in turns]
        self._memory.add(messages, user_id=_USER)

    def listed(self) -> dict[str, str]:
        """All memories."""
        found = self._memory.get_all(filters={"user_id": _USER}, top_k=_ALL)
        return {str(one["id"]): str(one["memory"]) for one in found["results"]}

    def found(self, query: str, count: int) -> list[str]:
        """Its search, without a least score."""
        found = self._memory.search(query, filters={"user_id": _USER}, top_k=count, threshold=0.0)
        return [str(one["id"]) for one in found["results"]]

    def close(self) -> None:
        """Close Qdrant, which locks its folder, and the history."""
        self._memory.vector_store.client.close()
        self._memory.close()


def _imported(folder: Path) -> Any:
    os.environ["MEM0_TELEMETRY"] = "False"
    os.environ["ANONYMIZED_TELEMETRY"] = "False"
    os.environ["MEM0_DIR"] = str(folder.parent / "mem0")
    try:
        from mem0 import Memory  # pyright: ignore
    except ImportError as error:
        raise MissingExtraError.of("mem0ai", "mem0", "memory 'mem0'") from error
    return Memory
