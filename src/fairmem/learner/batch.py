"""Packing rows into dense batches, without a token of one row seeing another's.

Rows are placed first-fit decreasing into packed sequences of at most `pack_tokens`; each restarts its
position ids and attends to itself only (an explicit block-diagonal causal mask, which every attention
implementation that takes a mask computes the same way). Rows with the same prompt can share it: the prompt
is computed once and each reply attends to it and to itself. That is the same mathematics with fewer tokens, and
rollouts of one group start from the same prompt often. The last sampled token of a row is only ever a
target, so it is not fed in.

Simplification: the mask is dense, so attention costs (length of the pack)² per pack; keep `pack_tokens` near the
length of a few rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fairmem.learner.rows import Row

_PADDING = -1
_NO_PROMPT = -2


@dataclass(frozen=True, slots=True)
class Pack:
    """Rows that go into one packed sequence, by prompt: each unit is row numbers that share one prompt."""

    units: tuple[tuple[int, ...], ...]
    tokens: int
    """Length of the sequence."""

    @property
    def rows(self) -> tuple[int, ...]:
        """Row numbers in the order of their turns in the batch."""
        return tuple(row for unit in self.units for row in unit)


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """A micro-batch: B packed sequences padded to length L, holding U turns with N sampled tokens.

    Attributes:
        input_ids: [B, L].
        position_ids: [B, L]; restart at every row, a reply goes on from its prompt.
        allowed: [B, 1, L, L] bool; whether a token (row) may attend to another (column).
        predictor: [N]; flat index into B * L of the position whose logits predict the sampled token.
        targets: [N]; the sampled token ids.
        turn_index: [N]; turn of each sampled token, 0 to U - 1.
        old_logp: [N]; recorded log-probabilities (nan where none were).
        advantage: [U].
        token_advantage: [N]; None unless a row has advantages per token (those of the others are then repeated).
        weights: [U].
        value: [U]; what the critic expected before the update (nan without a critic).
        target: [U]; what it should have expected.
        rows: Row number of each turn.
        tokens: Tokens computed, padding not counted.
    """

    input_ids: Tensor
    position_ids: Tensor
    allowed: Tensor
    predictor: Tensor
    targets: Tensor
    turn_index: Tensor
    old_logp: Tensor
    advantage: Tensor
    weights: Tensor
    value: Tensor
    target: Tensor
    rows: tuple[int, ...]
    tokens: int
    token_advantage: Tensor | None = None


def pack_rows(rows: Sequence[Row], chosen: Sequence[int], pack_tokens: int, share_prompts: bool = True) -> list[Pack]:
    """Place the `chosen` rows first-fit decreasing into sequences of at most `pack_tokens`.

    A single row longer than that gets a sequence of its own.
    """
    units = sorted(_units(rows, chosen, pack_tokens, share_prompts), key=lambda unit: -unit[1])
    free = np.zeros(len(units), dtype=np.int64)
    packs: list[list[tuple[int, ...]]] = []
    for members, tokens in units:
        fits = np.flatnonzero(free[: len(packs)] >= tokens)
        if len(fits):
            place = int(fits[0])
        else:
            place = len(packs)
            packs.append([])
            free[place] = max(pack_tokens, tokens)
        packs[place].append(members)
        free[place] -= tokens
    return [Pack(tuple(pack), sum(_unit_tokens(rows, unit) for unit in pack)) for pack in packs]


def micro_batches(packs: Sequence[Pack], micro_tokens: int) -> list[list[Pack]]:
    """Cut `packs` into batches of at most `micro_tokens` tokens, padding included, longest packs first."""
    batches: list[list[Pack]] = []
    for pack in sorted(packs, key=lambda pack: -pack.tokens):
        # Sorted, so the first pack of a batch sets its padded length.
        if batches and (len(batches[-1]) + 1) * batches[-1][0].tokens <= micro_tokens:
            batches[-1].append(pack)
        else:
            batches.append([pack])
    return batches


def collate(rows: Sequence[Row], packs: Sequence[Pack], device: torch.device | str = "cpu") -> PackedBatch:
    """The tensors of one micro-batch."""
    order = [row for pack in packs for row in pack.rows]
    length = max(pack.tokens for pack in packs)
    shape = (len(packs), length)
    input_ids, positions = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    # A token's own segment, and the segment of the prompt it may look at besides.
    own, prompt = np.full(shape, _PADDING, dtype=np.int64), np.full(shape, _NO_PROMPT, dtype=np.int64)
    predictor: list[int] = []
    segment = 0
    for b, pack in enumerate(packs):
        at = 0
        for unit in pack.units:
            shared = rows[unit[0]].prompt_ids
            head, end = segment, at + len(shared)
            input_ids[b, at:end], positions[b, at:end], own[b, at:end] = shared, np.arange(len(shared)), head
            last_of_prompt, at = b * length + end - 1, end
            for row in unit:
                segment += 1
                fed = rows[row].ids[:-1]
                end = at + len(fed)
                input_ids[b, at:end], positions[b, at:end] = fed, len(shared) + np.arange(len(fed))
                own[b, at:end], prompt[b, at:end] = segment, head
                predictor += [last_of_prompt, *range(b * length + at, b * length + end)]
                at = end
            segment += 1
    counts = [len(rows[row].ids) for row in order]

    def put(array: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(device)

    return PackedBatch(
        input_ids=put(input_ids),
        position_ids=put(positions),
        allowed=_allowed(put(own), put(prompt)),
        predictor=put(np.array(predictor, dtype=np.int64)),
        targets=put(np.concatenate([np.array(rows[row].ids, dtype=np.int64) for row in order])),
        turn_index=put(np.repeat(np.arange(len(order)), counts)),
        old_logp=put(np.concatenate([_recorded(rows[row]) for row in order])),
        advantage=put(np.array([rows[row].advantage for row in order], dtype=np.float32)),
        weights=put(np.array([rows[row].weight for row in order], dtype=np.float32)),
        value=put(_known([rows[row].value for row in order])),
        target=put(_known([rows[row].target for row in order])),
        rows=tuple(order),
        tokens=sum(pack.tokens for pack in packs),
        token_advantage=put(np.concatenate([_by_token(rows[row]) for row in order]))
        if any(rows[row].advantages is not None for row in order)
        else None,
    )


def _by_token(row: Row) -> npt.NDArray[np.float32]:
    return np.array(row.advantages or (row.advantage,) * len(row.ids), dtype=np.float32)


def _known(values: Sequence[float | None]) -> npt.NDArray[np.float32]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float32)


def _recorded(row: Row) -> npt.NDArray[np.float32]:
    return np.array(row.logprobs or [np.nan] * len(row.ids), dtype=np.float32)


def _allowed(own: Tensor, prompt: Tensor) -> Tensor:
    """[B, 1, L, L]: earlier or same position, and of the same segment or of its prompt.

    Padding forms a segment of its own: a position that may attend to nothing would give nan.
    """
    length = own.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=own.device).tril()
    same = own[:, :, None] == own[:, None, :]
    of_prompt = prompt[:, :, None] == own[:, None, :]
    return (causal & (same | of_prompt)).unsqueeze(1)


def _unit_tokens(rows: Sequence[Row], unit: Sequence[int]) -> int:
    return len(rows[unit[0]].prompt_ids) + sum(len(rows[row].ids) - 1 for row in unit)


def _units(
    rows: Sequence[Row], chosen: Sequence[int], pack_tokens: int, share_prompts: bool
) -> list[tuple[tuple[int, ...], int]]:
    """(row numbers that share a prompt, tokens), each cut to fit one pack."""
    by_prompt: dict[tuple[int, ...] | int, list[int]] = {}
    for row in chosen:
        by_prompt.setdefault(rows[row].prompt_ids if share_prompts else row, []).append(row)
    units: list[tuple[tuple[int, ...], int]] = []
    for members in by_prompt.values():
        unit: list[int] = []
        tokens = 0
        for row in members:
            if unit and tokens + len(rows[row].ids) - 1 > pack_tokens:
                units.append((tuple(unit), tokens))
                unit = []
            tokens = tokens + len(rows[row].ids) - 1 if unit else _unit_tokens(rows, [row])
            unit.append(row)
        units.append((tuple(unit), tokens))
    return units
