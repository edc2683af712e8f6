"""LangMem (MIT): a manager that reads each session beside the memories near it and calls tools to insert and to patch.

It keeps memories in LangGraph's store in memory, which has no file, so the store is written to `store.json` here and
read back (vectors are made anew). Its own defaults hold: memories are free text, five near ones are shown to the
manager, nothing is deleted. Tracing is switched off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairmem.errors import MissingExtraError
from fairmem.eval.gateway import Gateway
from fairmem.eval.peers.product import Said

_SPACE = ("memories", "conversation")
_CONFIG = {"configurable": {"langgraph_user_id": "conversation"}}
_ALL = 100_000


class LangMem:
    """See `Product`."""

    def __init__(self, folder: Path, gateway: Gateway) -> None:
        """Read the store in `folder`, if there is one."""
        create, chat, embeddings, store = _imported()
        at = {"base_url": gateway.base_url, "api_key": "none"}
        # Without the length check texts go to the server as texts, and not as another model's token numbers.
        vectors = embeddings(model=gateway.embedder.name, check_embedding_ctx_length=False, **at)
        model = chat(model=gateway.model, temperature=0.0, max_retries=0, **at)
        self._file = folder / "store.json"
        self._store: Any = store(index={"dims": gateway.embedder.dim, "embed": vectors})
        self._manager: Any = create(model, namespace=("memories", "{langgraph_user_id}"), store=self._store)
        if self._file.is_file():
            for key, value in json.loads(self._file.read_text(encoding="utf-8")):
                self._store.put(_SPACE, key, value)

    def add(self, turns: Sequence[Said]) -> None:
        """One call of the manager."""
        messages = [{"role": "user", "content": turn.text} for turn in turns]
        self._manager.invoke({"messages": messages}, config=_CONFIG)

    def listed(self) -> dict[str, str]:
        """All memories."""
        return {item.key: _words(item.value) for item in self._store.search(_SPACE, limit=_ALL)}

    def found(self, query: str, count: int) -> list[str]:
        """The store's search."""
        return [item.key for item in self._store.search(_SPACE, query=query, limit=count)]

    def close(self) -> None:
        """Write the store."""
        items = [[item.key, item.value] for item in self._store.search(_SPACE, limit=_ALL)]
        partial = self._file.with_name(self._file.name + ".partial")
        partial.write_text(json.dumps(items), encoding="utf-8")
        partial.replace(self._file)


def _words(value: dict[str, Any]) -> str:
    content = value.get("content")
    content = content.get("content", content) if isinstance(content, dict) else content
    return content if isinstance(content, str) else json.dumps(content)


def _imported() -> tuple[Any, Any, Any, Any]:
    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
        os.environ[name] = "false"
    try:
        from langchain_openai import ChatOpenAI, OpenAIEmbeddings  # pyright: ignore
        from langgraph.store.memory import InMemoryStore  # pyright: ignore
        from langmem import create_memory_store_manager  # pyright: ignore
    except ImportError as error:
        raise MissingExtraError.of("langmem", "langmem", "memory 'langmem'") from error
    return create_memory_store_manager, ChatOpenAI, OpenAIEmbeddings, InMemoryStore
