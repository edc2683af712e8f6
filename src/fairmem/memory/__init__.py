"""The memory of an agent: immutable banks of entries, operations on them, and ways to find entries again.

Start with `bank` (the value), then `ops` (what a manager may do to it) and `retrieval` (what an agent is shown).
"""

from __future__ import annotations

from fairmem.memory.arena import VectorArena
from fairmem.memory.bank import MemoryBank
from fairmem.memory.bm25 import Bm25Scores, bm25_scores
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

__all__ = [
    "BankDiff",
    "Bm25Retriever",
    "Bm25Scores",
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
    "SentenceTransformerEmbedder",
    "Update",
    "VectorArena",
    "bm25_scores",
    "build_embedder",
    "build_retriever",
    "op_from_name",
]
