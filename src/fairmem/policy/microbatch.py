"""Which requests share one call of the model. Pure arithmetic; nothing here knows about torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_FEW_ROWS = 16
"""Batches this small are not made smaller for the sake of less padding: each call of the model has its own cost."""


@dataclass(frozen=True, slots=True)
class Span:
    """Room one request needs: `prompt` tokens are given, at most `new` follow.

    `tag` names its kind; requests of one `sort` are kept together as far as lengths allow (they share a prompt).
    """

    prompt: int
    new: int
    tag: str = ""
    sort: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one micro-batch may hold.

    Attributes:
        rows: Most requests.
        tokens: Most positions, padding included: rows times (longest prompt + most new tokens).
        new_tokens: Most positions at which logits are held together, rows times most new tokens; None: no limit.
        context: Most positions of one row, padding included; None: no limit.
        padding: Most prompt positions computed per prompt token, in batches of more than `_FEW_ROWS`; None: no limit.
    """

    rows: int
    tokens: int
    new_tokens: int | None = None
    context: int | None = None
    padding: float | None = None

    def allow(self, rows: int, prompt: int, new: int, real: int = 0) -> bool:
        """Whether `rows` requests padded to `prompt` + `new` positions fit; `real` of the prompt positions are tokens.

        A single row always fits.
        """
        if rows == 1:
            return True
        if self.padding is not None and rows > _FEW_ROWS and rows * prompt > self.padding * real:
            return False
        return (
            rows <= self.rows
            and rows * (prompt + new) <= self.tokens
            and (self.new_tokens is None or rows * new <= self.new_tokens)
            and (self.context is None or prompt + new <= self.context)
        )


def plan(spans: Sequence[Span], limits: Limits) -> list[list[int]]:
    """Indices of `spans` grouped into micro-batches.

    Kinds are kept apart, in order of first appearance, because replies of one kind end after similar
    lengths; within a kind, prompts are sorted by length, so that little padding is computed.
    """
    kinds: dict[str, list[int]] = {}
    for index, span in enumerate(spans):
        kinds.setdefault(span.tag, []).append(index)
    batches: list[list[int]] = []
    for members in kinds.values():
        batch: list[int] = []
        prompt = new = real = 0
        for index in sorted(members, key=lambda i: (spans[i].prompt, spans[i].sort, i)):
            span = spans[index]
            longest, most = max(prompt, span.prompt), max(new, span.new)
            if batch and not limits.allow(len(batch) + 1, longest, most, real + span.prompt):
                batches.append(batch)
                batch, longest, most, real = [], span.prompt, span.new, 0
            batch.append(index)
            prompt, new, real = longest, most, real + span.prompt
        batches.append(batch)
    return batches
