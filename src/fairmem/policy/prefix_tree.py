"""Prompts that begin alike as packs of a prefix tree: what they share is laid out once. Pure arithmetic, no torch.

The answers of a quiz are asked about banks that are nearly equal (siblings of one fork), so their prompts share most of
their tokens. In a pack every token stands once per different beginning, at the position it has in its prompt, and may
see its own beginning only: the model computes what it would compute on each prompt alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class TreePack:
    """Prompts laid out as one sequence of n tokens.

    Attributes:
        ids: [n]; token ids.
        positions: [n]; place of each token in its prompts.
        allowed: [n, n] bool; whether a token (row) may see another (column): itself and what comes before it.
        prompts: Numbers of the prompts in the list that was packed.
        paths: For each of them the places of its tokens, in order.
    """

    ids: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    allowed: npt.NDArray[np.bool_]
    prompts: tuple[int, ...]
    paths: tuple[npt.NDArray[np.int64], ...]


def tree_packs(prompts: Sequence[Sequence[int]], limit: int) -> list[TreePack]:
    """`prompts`, none empty, in packs of at most `limit` tokens; a longer prompt has a pack of its own."""
    order = sorted(range(len(prompts)), key=lambda index: tuple(prompts[index]))
    packs: list[TreePack] = []
    members: list[tuple[int, int]] = []
    used = 0
    for number in order:
        prompt = prompts[number]
        shared = _alike(prompts[members[-1][0]], prompt) if members else 0
        if members and used + len(prompt) - shared > limit:
            packs.append(_laid_out(prompts, members))
            members, used, shared = [], 0, 0
        members.append((number, shared))
        used += len(prompt) - shared
    return [*packs, _laid_out(prompts, members)] if members else packs


def _laid_out(prompts: Sequence[Sequence[int]], members: Sequence[tuple[int, int]]) -> TreePack:
    """The pack of `members`: numbers of sorted prompts, each with how much it shares with the one before."""
    ids: list[int] = []
    positions: list[int] = []
    paths: list[npt.NDArray[np.int64]] = []
    for number, shared in members:
        prompt = prompts[number]
        added = np.arange(len(ids), len(ids) + len(prompt) - shared)
        paths.append(np.concatenate([paths[-1][:shared], added]) if paths else added)
        ids += prompt[shared:]
        positions += range(shared, len(prompt))
    allowed = np.zeros((len(ids), len(ids)), dtype=np.bool_)
    for path, (_, shared) in zip(paths, members, strict=True):
        allowed[np.ix_(path[shared:], path)] = np.tri(len(path) - shared, len(path), shared, dtype=np.bool_)
    return TreePack(np.array(ids), np.array(positions), allowed, tuple(number for number, _ in members), tuple(paths))


def _alike(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two prompts have in common at their beginning."""
    least = min(len(first), len(second))
    different = np.flatnonzero(np.asarray(first[:least]) != np.asarray(second[:least]))
    return int(different[0]) if len(different) else least
