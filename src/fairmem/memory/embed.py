"""Turning texts into vectors. Three ways: hashing (no model, deterministic), a local model, an endpoint.

Every embedder returns rows of length 1, so a dot product is a cosine; a text with nothing in it gets a row of
zeros. A failure raises: a row of zeros that stands for a failed call would be an entry nobody ever finds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fairmem.errors import ConfigError, MissingExtraError, ModelError, boundary
from fairmem.memory.embed_endpoint import EndpointEmbedder
from fairmem.memory.terms import STOP_WORDS, stem, words

Vectors = NDArray[np.float32]
"""`[n, dim]`, each row of length 1 or all zeros."""


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def name(self) -> str:
        """Identifies the vectors: two embedders of one name give the same vector for the same text."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row per text, in order: float32 `[n, dim]`, length 1 or all zeros for a text with nothing in it."""
        ...


class HashedEmbedder:
    """Feature hashing of stemmed words and of character 3- to 5-grams; the same numbers on every machine.

    A text's vector is the sum over its distinct words (stop words dropped, unless there is nothing else) of
    (1 + ln count) times the word's vector, scaled to length 1. A word's vector has one signed bucket of weight
    1 for its stem and shares weight 0.5 (in length) among the n-grams of `<word>`, so that "photographer" and
    "photography" are near each other. Buckets and signs come from BLAKE2b, never from Python's salted `hash`.

    Source: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (arXiv 0902.2206);
    n-grams with word boundaries as in Bojanowski et al. (arXiv 1607.04606).
    """

    def __init__(self, dim: int = 512) -> None:
        if dim < 1:
            raise ConfigError(f"hashed embedder: found dimension {dim}, expected at least 1")
        self.dim = dim
        self.name = f"hashed-{dim}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row per text: float32 `[n, dim]`."""
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for i, text in enumerate(texts):
            rows[i] = self._row(text)
        return rows

    def _row(self, text: str) -> NDArray[np.float64]:
        counts = Counter(words(text))
        kept = {word: count for word, count in counts.items() if word not in STOP_WORDS} or counts
        if not kept:
            return np.zeros(self.dim)
        features = [_word_features(word, self.dim) for word in kept]
        weights = [value * (1 + math.log(kept[word])) for word, (_, value) in zip(kept, features, strict=True)]
        buckets = np.concatenate([bucket for bucket, _ in features])
        row = np.bincount(buckets, weights=np.concatenate(weights), minlength=self.dim).astype(np.float64)
        norm = math.sqrt(float(row @ row))
        return row / norm if norm > 0 else row


@lru_cache(maxsize=32_768)
def _word_features(word: str, dim: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Buckets and signed weights of one word: its stem, then its n-grams."""
    bounded = f"<{word}>"
    grams = [bounded[i : i + n] for n in (3, 4, 5) for i in range(len(bounded) - n + 1)]
    share = 0.5 / math.sqrt(len(grams)) if grams else 0.0
    hashed = [_bucket_and_sign(f"w:{stem(word)}", dim), *(_bucket_and_sign(f"g:{gram}", dim) for gram in grams)]
    weights = [1.0] + [share] * len(grams)
    return (
        np.array([bucket for bucket, _ in hashed], dtype=np.int64),
        np.array([sign * weight for (_, sign), weight in zip(hashed, weights, strict=True)]),
    )


def _bucket_and_sign(feature: str, dim: int) -> tuple[int, int]:
    value = int.from_bytes(blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest(), "little")
    return (value >> 1) % dim, 1 if value & 1 else -1


class SentenceTransformerEmbedder:
    """A sentence-transformers model in this process; loaded when it is first asked for something.

    Raises (from `embed` and `dim`):
        MissingExtraError: sentence-transformers is not installed.
        ModelError: the model cannot be loaded.
    """

    def __init__(self, model: str = "sentence-transformers/all-MiniLM-L6-v2", batch: int = 64, device: str = "cpu"):
        self.model = model
        self.name = f"sentence-transformers:{model}"
        self._batch = batch
        self._device = device
        self._loaded: Any = None

    @property
    def dim(self) -> int:
        """Length of a vector; loads the model."""
        return self.embed(["dimension"]).shape[1]

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row per text: float32 `[n, dim]`."""
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        encoded = self._encoder().encode(
            list(texts), batch_size=self._batch, normalize_embeddings=True, show_progress_bar=False
        )
        rows = np.array(encoded, dtype=np.float32)
        rows[[not text.strip() for text in texts]] = 0.0
        return rows

    def _encoder(self) -> Any:
        if self._loaded is None:
            try:
                from sentence_transformers import SentenceTransformer  # pyright: ignore
            except ImportError as error:
                raise MissingExtraError.of("sentence-transformers", "embed", "a local embedding model") from error
            with boundary(ModelError, f"loading the embedding model '{self.model}'"):
                self._loaded = SentenceTransformer(self.model, device=self._device)
        return self._loaded


def _hashed(argument: str, base_url: str | None) -> Embedder:
    if argument and not argument.isdecimal():
        raise ConfigError(f"embedder 'hashed:{argument}': expected a dimension, as in 'hashed:512'")
    return HashedEmbedder(int(argument)) if argument else HashedEmbedder()


def _sentence_transformers(argument: str, base_url: str | None) -> Embedder:
    return SentenceTransformerEmbedder(argument) if argument else SentenceTransformerEmbedder()


def _endpoint(argument: str, base_url: str | None) -> Embedder:
    if not argument:
        raise ConfigError("embedder 'openai': expected a model name, as in 'openai:text-embedding-3-small'")
    return EndpointEmbedder(base_url or "https://api.openai.com/v1", argument)


EMBEDDERS: dict[str, Callable[[str, str | None], Embedder]] = {
    "hashed": _hashed,
    "sentence-transformers": _sentence_transformers,
    "openai": _endpoint,
}
"""Kind -> maker of an embedder from what follows the colon and a base URL."""


def build_embedder(spec: str = "hashed", base_url: str | None = None) -> Embedder:
    """The embedder that `spec` names: `hashed`, `hashed:DIM`, `sentence-transformers:MODEL` or `openai:MODEL`.

    `base_url` is for `openai:`, which speaks to any OpenAI-compatible server.

    Raises:
        ConfigError: no such kind, or what follows the colon does not fit it.
    """
    kind, _, argument = spec.partition(":")
    if kind not in EMBEDDERS:
        raise ConfigError(f"embedder '{spec}': no such kind; expected one of {', '.join(sorted(EMBEDDERS))}")
    return EMBEDDERS[kind](argument, base_url)
