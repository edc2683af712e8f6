"""Packs demonstrations into fixed-length rows for imitation, sharing a prompt's prefix between its branches.

The branches of a demonstration (several questions about one memory) stand behind one copy of the prefix. Each
branch sees the prefix and itself, never another branch, and its positions go on from the prefix's end, so
the model computes what it would compute on each prompt alone at a third of the tokens.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.pretrain.mixture import Demonstration


@dataclass(frozen=True, slots=True)
class Packed:
    """One batch of rows; all arrays are `[rows, length]`.

    Attributes:
        ids: Token ids, 0 where empty.
        positions: Position of each token in its own prompt and reply.
        document: Number of the demonstration in its row, from 1; 0 where empty.
        branch: 0 for a shared prefix, else the number of the branch in its demonstration.
        target: Id of the reply to predict after this token, -100 elsewhere.
        context: Id of the prompt to predict after this token, -100 elsewhere. Names and values recur within
            prompts; predicting them teaches the model to copy long before replies alone would.
    """

    ids: np.ndarray
    positions: np.ndarray
    document: np.ndarray
    branch: np.ndarray
    target: np.ndarray
    context: np.ndarray

    def visible(self) -> np.ndarray:
        """Attention mask `[rows, 1, length, length]`: True where the query (third axis) may look at the key."""
        length = self.ids.shape[1]
        causal = np.tril(np.ones((length, length), dtype=bool))
        same = self.document[:, :, None] == self.document[:, None, :]
        branch_q, branch_k = self.branch[:, :, None], self.branch[:, None, :]
        return (same & causal & ((branch_k == 0) | (branch_k == branch_q)))[:, None]


_Encoded = tuple[list[int], list[tuple[list[int], list[int]]]]
"""Ids of a prefix, and of the (rest, reply with its end) of each branch."""


class Packer:
    """Turns a stream of demonstrations into batches of `rows` rows of `length` tokens.

    `encode` maps text to token ids; `eos` ends every reply. The branches of a demonstration that is longer than a row
    are shared out over several copies of its prefix; a branch that does not fit behind its prefix is left out and
    counted in `skipped`.
    """

    def __init__(self, encode: Callable[[str], Sequence[int]], eos: int, rows: int, length: int) -> None:
        self._encode = encode
        self._eos = eos
        self._rows = rows
        self._length = length
        self.skipped = 0

    def batches(self, demonstrations: Iterable[Demonstration]) -> Iterator[Packed]:
        """Batches until the stream ends; an incomplete last batch is dropped."""
        arrays, used, documents = self._empty(), [0] * self._rows, [0] * self._rows
        for part in itertools.chain.from_iterable(map(self._parts, demonstrations)):
            tokens = _laid_out(*part)
            size = len(tokens[0])
            row = next((r for r in range(self._rows) if used[r] + size <= self._length), None)
            if row is None:
                yield Packed(*arrays)
                arrays, used, documents, row = self._empty(), [0] * self._rows, [0] * self._rows, 0
            documents[row] += 1
            span = slice(used[row], used[row] + size)
            ids, positions, branch, target, context = tokens
            for array, values in zip(arrays, (ids, positions, documents[row], branch, target, context), strict=True):
                array[row, span] = values
            used[row] += size

    def _parts(self, demonstration: Demonstration) -> Iterator[_Encoded]:
        """`demonstration` in parts that fit a row, each with the prefix and as many branches as there is room for."""
        prefix = list(self._encode(demonstration.prefix))
        held: list[tuple[list[int], list[int]]] = []
        used = len(prefix)
        for rest, reply in demonstration.branches:
            asked = list(self._encode(rest)) if rest else []
            said = [*self._encode(reply), self._eos]
            size = len(asked) + len(said)
            if len(prefix) + size > self._length:
                self.skipped += 1
                continue
            if used + size > self._length:
                yield prefix, held
                held, used = [], len(prefix)
            held.append((asked, said))
            used += size
        if held:
            yield prefix, held

    def _empty(self) -> list[np.ndarray]:
        shape = (self._rows, self._length)
        return [np.zeros(shape, np.int64) for _ in range(4)] + [np.full(shape, -100, np.int64) for _ in range(2)]


def _laid_out(prefix: list[int], branches: list[tuple[list[int], list[int]]]) -> tuple[list[int], ...]:
    """Ids, positions, branch numbers, reply targets and prompt targets of a prefix and its (rest, reply) branches."""
    shared = len(prefix)
    ids, positions, branch, target = list(prefix), list(range(shared)), [0] * shared, [-100] * shared
    context = [*ids[1:], -100]
    for number, (asked, said) in enumerate(branches, 1):
        if not asked:  # the reply follows the prefix itself, whose last token predicts its first
            target[shared - 1] = said[0]
        ids += asked + said
        size = len(asked) + len(said)
        positions += range(shared, shared + size)
        branch += [number] * size
        follow = [-100] * (len(asked) - 1) + said if asked else said[1:]
        target += [*follow, -100]
        context += [*asked[1:], -100] + [-100] * len(said) if asked else [-100] * len(said)
    return ids, positions, branch, target, context
