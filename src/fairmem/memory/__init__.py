"""The memory of an agent: immutable banks of entries, operations on them, and ways to find entries again.

Start with `bank` (the value), then `ops` (what a manager may do to it) and `retrieval` (what an agent is shown).
"""

from __future__ import annotations

from fairmem.memory.arena import VectorArena
from fairmem.memory.bank import MemoryBank
from fairmem.memory.bm25 import Bm25Scores, bm25_scores
from fairmem.memory.bm25_index import Bm25Index
from fairmem.memory.diff import BankDiff
from fairmem.memory.embed import (
    EMBEDDERS,
    Embedder,
    HashedEmbedder,
    SentenceTransformerEmbedder,
    build_embedder,
)
from fairmem.memory.embed_endpoint import EndpointEmbedder
from fairmem.memory.entry import Entry, Revision
from fairmem.memory.ops import (
    OPS,
    Delete,
    Insert,
    Noop,
    Op,
    OpContext,
    OpOutcome,
    OpResult,
    Update,
    op_from_name,
)
from fairmem.memory.retrieval import (
    RETRIEVERS,
    Bm25Retriever,
    DenseRetriever,
    Hit,
    HybridRetriever,
    Retriever,
    build_retriever,
)
from fairmem.memory.structured import (
    STORES,
    Memory,
    Store,
    StructuredMemory,
    memory_from_json,
    split_sentences,
)
from fairmem.memory.structured_ops import (
    CoreRewrite,
    StoreDelete,
    StoreInsert,
    StoreNoop,
    StoreSearch,
    StoreUpdate,
    StructuredOp,
)

__all__ = [
    "BankDiff",
    "Bm25Index",
    "Bm25Retriever",
    "Bm25Scores",
    "CoreRewrite",
    "Delete",
    "DenseRetriever",
    "EMBEDDERS",
    "Embedder",
    "EndpointEmbedder",
    "Entry",
    "HashedEmbedder",
    "Hit",
    "HybridRetriever",
    "Insert",
    "Memory",
    "MemoryBank",
    "Noop",
    "OPS",
    "Op",
    "OpContext",
    "OpOutcome",
    "OpResult",
    "RETRIEVERS",
    "Retriever",
    "Revision",
    "STORES",
    "SentenceTransformerEmbedder",
    "Store",
    "StoreDelete",
    "StoreInsert",
    "StoreNoop",
    "StoreSearch",
    "StoreUpdate",
    "StructuredMemory",
    "StructuredOp",
    "Update",
    "VectorArena",
    "bm25_scores",
    "build_embedder",
    "build_retriever",
    "memory_from_json",
    "op_from_name",
    "split_sentences",
]
