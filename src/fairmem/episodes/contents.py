"""Has what was written into memory judged against the chunks it came from, all branches in one go.

Verdicts are put on the operations of the trace; a judge's call that failed leaves its failure there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fairmem.agents.wording import long_date, turn_text
from fairmem.data import split_session
from fairmem.episodes.plans import BranchResult
from fairmem.memory import StructuredMemory
from fairmem.rewards import WRITING, ContentItem, ContentJudge
from fairmem.trace import OpRecord, RoleTurn
from fairmem.types import Conversation


def judge_contents(
    results: Mapping[str, BranchResult], judge: ContentJudge, chunks_per_session: int
) -> dict[str, BranchResult]:
    """`results` with the verdicts on every operation that wrote something."""
    asked: list[ContentItem] = []
    places: list[tuple[str, int, int]] = []
    for key, result in results.items():
        said = _chunks(result.plan.conversation, chunks_per_session)
        before = _Before(result)
        for at, turn in enumerate(result.turns):
            for number, op in enumerate(turn.ops):
                if op.op not in WRITING or op.outcome != "applied" or op.content is None:
                    continue
                date, source = said[turn.session, turn.chunk]
                place = "core" if op.op == "CORE" else (op.store or before.place(op))
                asked.append(ContentItem(op.content, place, source, date, before.text(op)))
                places.append((key, at, number))
                before.note(op)
    verdicts = judge.judge(asked)
    turns: dict[str, list[RoleTurn]] = {key: list(result.turns) for key, result in results.items()}
    for (key, at, number), verdict in zip(places, verdicts, strict=True):
        ops: list[OpRecord] = list(turns[key][at].ops)
        ops[number] = ops[number].model_copy(update={"faithful": verdict.faithful, "judge_failure": verdict.failure})
        turns[key][at] = turns[key][at].model_copy(update={"ops": tuple(ops)})
    return {key: replace(result, turns=tuple(turns[key])) for key, result in results.items()}


class _Before:
    """What entries and core said, as the operations of a branch go by."""

    def __init__(self, result: BranchResult) -> None:
        self._start = result.start
        self._texts: dict[int, str] = {}
        self._stores: dict[int, str] = {}
        self._core = result.start.core if isinstance(result.start, StructuredMemory) else ""

    def text(self, op: OpRecord) -> str:
        """What was there before `op`."""
        if op.op == "CORE":
            return self._core
        if op.op == "INSERT" or op.entry is None:
            return ""
        known = self._start.get(op.entry) if self._start is not None else None
        return self._texts.get(op.entry, known.content if known else "")

    def place(self, op: OpRecord) -> str:
        """The store of the entry that `op` is about; "" in a flat bank."""
        if op.entry is None:
            return ""
        start = self._start.place_of(op.entry) if isinstance(self._start, StructuredMemory) else None
        return self._stores.get(op.entry, start or "")

    def note(self, op: OpRecord) -> None:
        """Take `op` into account."""
        if op.op == "CORE":
            self._core = op.content or ""
        elif op.entry is not None:
            self._texts[op.entry] = op.content or ""
            if op.store is not None:
                self._stores[op.entry] = op.store


def _chunks(conversation: Conversation, chunks_per_session: int) -> dict[tuple[int, int], tuple[str, str]]:
    """(session, chunk) -> the date in words and what was said."""
    return {
        (chunk.session, chunk.index): (
            long_date(chunk.time),
            "\n".join(f"{turn.speaker}: {turn_text(turn)}" for turn in chunk.turns),
        )
        for session in conversation.sessions
        for chunk in split_session(session, chunks_per_session)
    }
