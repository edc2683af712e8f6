"""The decode loop: each distinct prompt is read once (`reading`), and rows that have ended leave the batch.

Siblings ask the same prompt many times (a group of rollouts reads the same turns), and their replies end after very
different lengths. `generate` of transformers reads every copy of a prompt and carries every row to the end of the
longest; `benchmarks/rollout.py` prints what this loop saves. The model, its cache and its attention are
transformers' own, but for one product (`grouped`) and for where new keys and values are put (`roomy`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairmem.policy.base import SampleRequest
from fairmem.policy.grouped import grouped_attention
from fairmem.policy.inverse_cdf import draw, uniforms
from fairmem.policy.reading import read_prompts
from fairmem.policy.roomy import make_room
from fairmem.policy.torch_setup import import_torch

import_torch()

import torch  # noqa: E402 - prepared by the line above

_KEEP = 0.75
"""Rows that have ended are dropped once no more than this share of the batch goes on; dropping copies the cache."""

Drawn = tuple[tuple[int, ...], tuple[float, ...]]
"""Sampled ids and their log-probabilities in nats, of one request."""


@dataclass(slots=True)
class _Rows:
    """What is still being written. Row i of every tensor belongs to request `index[i]`."""

    index: torch.Tensor
    position: torch.Tensor
    mask: torch.Tensor
    uniforms: torch.Tensor
    temperature: torch.Tensor
    limit: torch.Tensor

    def keep(self, rows: torch.Tensor) -> _Rows:
        return _Rows(
            self.index[rows],
            self.position[rows],
            self.mask[rows],
            self.uniforms[rows],
            self.temperature[rows],
            self.limit[rows],
        )


def decode(
    model: Any, prompts: Sequence[Sequence[int]], requests: Sequence[SampleRequest], eos: Sequence[int]
) -> list[Drawn]:
    """One reply per request, cut at its end token (which is kept) or at its own limit.

    Args:
        model: A causal language model of transformers, in eval mode, gradients off.
        prompts: Token ids of each request's prompt, none empty.
        requests: Limit, temperature and seed of each.
        eos: Ids that end a reply.
    """
    device = model.device
    distinct: dict[tuple[int, ...], int] = {}
    owner = torch.tensor([distinct.setdefault(tuple(prompt), len(distinct)) for prompt in prompts], device=device)
    logits, cache, mask = read_prompts(model, list(distinct), eos[0])
    read = mask.shape[1]
    if len(distinct) < len(prompts):
        cache.batch_select_indices(owner)
        logits, mask = logits[owner], mask[owner]
    steps = max(request.max_tokens for request in requests)
    rows = _Rows(
        index=torch.arange(len(requests), device=device),
        position=mask.sum(dim=1),
        mask=torch.cat([mask, mask.new_ones(len(requests), steps)], dim=1),
        uniforms=torch.from_numpy(np.stack([uniforms(r.seed, steps) for r in requests])).to(device),
        temperature=torch.tensor([r.temperature for r in requests], device=device),
        limit=torch.tensor([r.max_tokens for r in requests], device=device),
    )
    ends = torch.tensor(list(eos), device=device)
    make_room(cache, steps)
    with grouped_attention(model):
        drawn = _drawn(model, logits, cache, rows, ends, read)
    return _by_request(drawn, len(requests))


def _drawn(
    model: Any, logits: torch.Tensor, cache: Any, rows: _Rows, ends: torch.Tensor, read: int
) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Per step the requests that go on, their tokens and log-probabilities; `logits` follow `read` positions."""
    drawn: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    alive = torch.ones_like(rows.index, dtype=torch.bool)
    for step in range(rows.uniforms.shape[1]):
        tokens, logp = draw(logits, rows.uniforms[:, step], rows.temperature)
        drawn.append((rows.index[alive], tokens[alive], logp[alive]))
        alive = alive & ~torch.isin(tokens, ends) & (rows.limit > step + 1)
        going = int(alive.sum())
        if not going:
            break
        if going <= _KEEP * len(alive):
            kept = alive.nonzero().squeeze(1)
            rows, tokens, alive = rows.keep(kept), tokens[kept], alive[kept]
            cache.batch_select_indices(kept)
        logits = model(
            input_ids=tokens.unsqueeze(1),
            attention_mask=rows.mask[:, : read + step + 1],
            position_ids=(rows.position + step).unsqueeze(1),
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1]
    return drawn


def _by_request(drawn: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]], count: int) -> list[Drawn]:
    ids: list[list[int]] = [[] for _ in range(count)]
    logprobs: list[list[float]] = [[] for _ in range(count)]
    for index, tokens, logp in drawn:
        for row, token, value in zip(index.tolist(), tokens.tolist(), logp.tolist(), strict=True):
            ids[row].append(token)
            logprobs[row].append(value)
    return [(tuple(i), tuple(p)) for i, p in zip(ids, logprobs, strict=True)]
