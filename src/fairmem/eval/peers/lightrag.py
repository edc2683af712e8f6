"""LightRAG (MIT): a graph of entities and relations drawn from every session, in plain files.

A model extracts entities and relations from each session, and is asked once more for what it missed; graph, vectors
and texts are files. Its memories are the descriptions of entities and relations, and the pieces of text. Its own search
(mode `mix`) ranks the three kinds apart; they are taken in turn, so that a short list holds some of each.

Simplified: the question itself stands in for the keywords that LightRAG would ask a model for at every search, so that
search costs no call, as for every other memory. Tokens are counted as four characters, since its usual tokenizer is
fetched from the network.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import httpx

from fairmem.errors import EndpointError, MissingExtraError
from fairmem.eval.gateway import Gateway
from fairmem.eval.peers.product import Said

_CHUNKS = "kv_store_text_chunks.json"
_WIDTH = 4
_SEPARATOR = "<SEP>"


class LightRag:
    """See `Product`."""

    def __init__(self, folder: Path, gateway: Gateway) -> None:
        """Open the store in `folder`."""
        self._folder, self._gateway = folder, gateway
        self._http = httpx.AsyncClient(base_url=gateway.base_url, timeout=None, trust_env=False)
        self._runner = asyncio.Runner()
        self._rag: Any = _made(self, folder, gateway)
        self._runner.run(self._rag.initialize_storages())

    def add(self, turns: Sequence[Said]) -> None:
        """One document per session."""
        text = "\n".join(turn.text for turn in turns)
        self._runner.run(self._rag.ainsert(text))

    def listed(self) -> dict[str, str]:
        """Descriptions of entities and relations, and pieces of text."""
        graph = self._rag.chunk_entity_relation_graph
        nodes, edges = self._runner.run(graph.get_all_nodes()), self._runner.run(graph.get_all_edges())
        found = {_entity(node["id"]): f"{node['id']}: {_words(node)}" for node in nodes}
        for edge in edges:
            found[_relation(edge["source"], edge["target"])] = f"{edge['source']}, {edge['target']}: {_words(edge)}"
        file = self._folder / _CHUNKS
        chunks = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return found | {name: str(chunk["content"]) for name, chunk in chunks.items()}

    def found(self, query: str, count: int) -> list[str]:
        """Entities, relations and pieces in turn, each by its own rank."""
        from lightrag import QueryParam  # pyright: ignore

        words: dict[str, Any] = {"hl_keywords": [query], "ll_keywords": [query]}
        param = QueryParam(mode="mix", top_k=count, chunk_top_k=count, enable_rerank=False, **words)
        answer = self._runner.run(self._rag.aquery_data(query, param))
        data = answer.get("data") or {}
        ranked = (
            [_entity(one["entity_name"]) for one in data.get("entities") or ()],
            [_relation(one["src_id"], one["tgt_id"]) for one in data.get("relationships") or ()],
            [str(one["chunk_id"]) for one in data.get("chunks") or ()],
        )
        return [name for name in chain.from_iterable(zip_longest(*ranked)) if name is not None][:count]

    def close(self) -> None:
        """Write the files."""
        from lightrag.kg.shared_storage import finalize_share_data  # pyright: ignore

        self._runner.run(self._rag.finalize_storages())
        # What is in memory belongs to the process and not to the folder: the next store would be taken for this one.
        finalize_share_data()
        self._runner.run(self._http.aclose())
        self._runner.close()

    async def ask(self, prompt: str, system: str | None, history: Sequence[dict[str, Any]]) -> str:
        """One chat completion by the gateway.

        Raises:
            EndpointError: it failed; the gateway knows why.
        """
        first = [{"role": "system", "content": system}] if system else []
        body = {"messages": [*first, *history, {"role": "user", "content": prompt}], "temperature": 0.0}
        answer = await self._http.post("chat/completions", json=body)
        if answer.status_code != 200:
            raise EndpointError(answer.json()["error"]["message"])
        return str(answer.json()["choices"][0]["message"].get("content") or "")


class _Characters:
    """Four characters are one token; stateless, so that threads may share it."""

    def encode(self, content: str) -> list[int]:
        return [int.from_bytes(part.encode("utf-32-le", "replace"), "little") for part in _slices(content)]

    def decode(self, tokens: Sequence[int]) -> str:
        raw = [token.to_bytes(_WIDTH * 4, "little").decode("utf-32-le").rstrip("\0") for token in tokens]
        return "".join(raw)


def _slices(text: str) -> Iterator[str]:
    yield from (text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH))


def _made(owner: LightRag, folder: Path, gateway: Gateway) -> Any:
    try:
        from lightrag import LightRAG  # pyright: ignore
        from lightrag.utils import EmbeddingFunc, Tokenizer  # pyright: ignore
    except ImportError as error:
        raise MissingExtraError.of("lightrag-hku", "lightrag", "memory 'lightrag'") from error
    for name in ("lightrag", "nano-vectordb"):
        logging.getLogger(name).setLevel(logging.ERROR)

    async def complete(prompt: str, system_prompt: str | None = None, history_messages: Any = None, **_: Any) -> str:
        return await owner.ask(prompt, system_prompt, history_messages or ())

    async def embed(texts: list[str], **_: Any) -> Any:
        return gateway.embedder.embed(texts)

    return LightRAG(
        working_dir=str(folder),
        llm_model_func=complete,
        llm_model_name=gateway.model,
        embedding_func=EmbeddingFunc(embedding_dim=gateway.embedder.dim, max_token_size=8192, func=embed),
        tokenizer=Tokenizer("characters", _Characters()),
        enable_llm_cache=False,
        enable_llm_cache_for_entity_extract=False,
    )


def _entity(name: str) -> str:
    return f"entity {name}"


def _relation(one: str, other: str) -> str:
    return "relation " + " | ".join(sorted((one, other)))


def _words(found: dict[str, Any]) -> str:
    return str(found.get("description") or "").replace(_SEPARATOR, " ")
