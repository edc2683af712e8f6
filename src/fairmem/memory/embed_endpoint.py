"""Vectors from any OpenAI-compatible `/embeddings` endpoint."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from fairmem.errors import EndpointError

if TYPE_CHECKING:
    import httpx

_LONGEST_WAIT = 30.0
"""Seconds; a server that asks for a longer pause gets this one."""


class EndpointEmbedder:
    """Vectors of `model` served at `base_url` (the part before `/embeddings`, for example `http://host:8000/v1`).

    A call is retried after a lost connection, a timeout, status 429 and 5xx; the pause doubles from `backoff`
    seconds and follows the server's Retry-After where it gives one in seconds. Blank texts are not sent.

    Args:
        base_url: Where the endpoint is.
        model: Name of the model there.
        api_key_env: Environment variable that holds the key; where it is unset no key is sent.
        batch: Most texts per request.
        timeout: Seconds per request.
        retries: Further attempts after the first.
        backoff: Seconds before the first retry.

    Raises (from `embed` and `dim`):
        EndpointError: not reachable after all attempts, the request was refused, or the reply is not what the
            protocol promises.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key_env: str = "OPENAI_API_KEY",
        batch: int = 64,
        timeout: float = 30.0,
        retries: int = 4,
        backoff: float = 0.5,
    ) -> None:
        self.url = base_url.rstrip("/") + "/embeddings"
        self.model = model
        self.name = f"openai:{model}"
        self._api_key_env = api_key_env
        self._batch = batch
        self._timeout = timeout
        self._retries = retries
        self._backoff = backoff
        self._client: httpx.Client | None = None
        self._dim: int | None = None

    @property
    def dim(self) -> int:
        """Length of a vector; asks the endpoint if nothing has been embedded yet."""
        if self._dim is None:
            self._request(["dimension"])
        assert self._dim is not None
        return self._dim

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row per text: float32 `[n, dim]`, length 1; a blank text gets zeros."""
        wanted = [i for i, text in enumerate(texts) if text.strip()]
        blocks = [wanted[i : i + self._batch] for i in range(0, len(wanted), self._batch)]
        replies = [self._request([texts[i] for i in block]) for block in blocks]
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for block, vectors in zip(blocks, replies, strict=True):
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            rows[block] = vectors / np.where(norms > 0, norms, 1.0)
        return rows

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _request(self, texts: list[str]) -> NDArray[np.float64]:
        """Vectors `[n, dim]` of `texts`, as the endpoint gives them."""
        import httpx

        if self._client is None:
            self._client = httpx.Client(timeout=self._timeout)
        key = os.environ.get(self._api_key_env)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # Half a surrogate pair, which a model can write, cannot be sent as UTF-8.
        sent = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        body = {"model": self.model, "input": sent, "encoding_format": "float"}
        trouble = ""
        for attempt in range(self._retries + 1):
            wait = self._backoff * 2**attempt
            try:
                reply = self._client.post(self.url, json=body, headers=headers)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise EndpointError(f"{self.url}: not a usable address: {error}") from error
            except httpx.RequestError as error:
                trouble = f"{type(error).__name__}: {error}"
            else:
                if reply.status_code == 200:
                    return self._vectors(reply, len(texts))
                trouble = f"status {reply.status_code}: {' '.join(reply.text.split())[:200]}"
                if reply.status_code != 429 and reply.status_code < 500:
                    raise EndpointError(
                        f"{self.url}: embedding with model '{self.model}' was refused ({trouble}); "
                        f"check the model's name and the key in {self._api_key_env}"
                    )
                wait = _retry_after(reply.headers.get("Retry-After"), wait)
            if attempt < self._retries:
                time.sleep(min(wait, _LONGEST_WAIT))
        raise EndpointError(
            f"{self.url}: no embeddings after {self._retries + 1} attempts ({trouble}); is the server running?"
        )

    def _vectors(self, reply: httpx.Response, count: int) -> NDArray[np.float64]:
        """The vectors of a reply, in the order asked for."""
        try:
            items = _items(reply.json(), count)
            vectors = np.array([items[i] for i in range(count)], dtype=np.float64)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise EndpointError(
                f"{self.url}: the reply is not one of an embeddings endpoint ({error}); it begins: {reply.text[:120]!r}"
            ) from error
        if vectors.ndim != 2 or vectors.shape[1] == 0 or not np.isfinite(vectors).all():
            raise EndpointError(f"{self.url}: expected one vector of finite numbers per text, found {vectors.shape}")
        if self._dim not in (None, vectors.shape[1]):
            raise EndpointError(f"{self.url}: vectors of {vectors.shape[1]} numbers after vectors of {self._dim}")
        self._dim = vectors.shape[1]
        return vectors


def _items(body: Any, count: int) -> dict[int, list[float]]:
    """Index -> vector, from `{"data": [{"index": 0, "embedding": [...]}, ...]}`."""
    listed = cast("list[dict[str, Any]]", body["data"])
    items: dict[int, list[float]] = {int(item["index"]): item["embedding"] for item in listed}
    if len(listed) != count or sorted(items) != list(range(count)):
        raise ValueError(f"{count} texts were sent, the indices of the reply are {[item['index'] for item in listed]}")
    return items


def _retry_after(header: str | None, otherwise: float) -> float:
    return float(header) if header is not None and header.strip().isdecimal() else otherwise
