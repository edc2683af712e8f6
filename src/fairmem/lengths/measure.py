"""Writes one stream to its end, asks about it, and measures: score, size, time per chunk, resident memory."""

from __future__ import annotations

import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fairmem.episodes import apply_structured
from fairmem.lengths.players import Player, Said
from fairmem.lengths.stream import LongChunk, LongQuestion, LongStream
from fairmem.memory import StructuredMemory
from fairmem.metrics import clustered_mean, token_f1
from fairmem.trace import CallFailure

_PARTS = 10
"""Parts of a stream that times and memory are told for."""


@dataclass(frozen=True, slots=True)
class LengthSettings:
    """What a measurement depends on beside its length.

    Attributes:
        seed: Of the stream.
        lanes: Pairs that talk at a time; so many chunks are written side by side.
        questions: Questions asked at the end, spread evenly over the stream.
    """

    seed: int = 0
    lanes: int = 16
    questions: int = 200

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


@dataclass(slots=True)
class _Part:
    """What one part of the stream cost."""

    chunks: int = 0
    seconds: float = 0.0
    memory_seconds: float = 0.0
    resident: int = 0


def measure_length(
    player: Player, tokens: int, settings: LengthSettings, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """The numbers of one length.

    `memory_ms` is the processor time of memory alone (search and operations) per chunk, `ms` the time of
    everything; both for the first and the last tenth of the stream. `search_ms` is processor time per question.
    `kb_per_chunk` is the growth of resident memory in the first and the second half. `score_early` and `score_late`
    are of the questions about the first and the last half.
    """
    stream = LongStream(tokens, settings.seed, settings.lanes, player.chunks_per_session)
    memory = StructuredMemory.empty()
    outcomes: Counter[str] = Counter()
    parts = [_Part() for _ in range(_PARTS)]
    base = peak = resident_bytes()
    started = time.perf_counter()
    waves, at = stream.waves(), 0
    while True:
        began = time.perf_counter()
        wave = next(waves, None)
        if wave is None:
            break
        generated = time.perf_counter()
        memory, spent = _write(player, wave, memory, outcomes)
        part = parts[min(_PARTS - 1, (stream.tokens_read - 1) * _PARTS // tokens)]
        part.chunks += len(wave)
        part.seconds += time.perf_counter() - generated
        part.memory_seconds += spent
        part.resident = resident_bytes()
        peak = max(peak, part.resident)
        at += 1
        if at % 20 == 0:
            rate = stream.tokens_read / (began - started) if began > started else 0.0
            say(f"{stream.tokens_read:,} of {tokens:,} tokens, {memory.size:,} entries, {rate:,.0f} tokens/s")
    chunks = sum(part.chunks for part in parts)
    row: dict[str, Any] = {
        "tokens": stream.tokens_read,
        "chunks": chunks,
        "seconds": time.perf_counter() - started,
        "entries": memory.size,
        "memory_tokens": memory.tokens(player.count_tokens),
        "outcomes": dict(sorted(outcomes.items())),
        "memory_ms": _first_and_last([1000 * part.memory_seconds / max(1, part.chunks) for part in parts]),
        "ms": _first_and_last([1000 * part.seconds / max(1, part.chunks) for part in parts]),
        "peak_mb": peak / 2**20,
        "kb_per_chunk": _growth(parts, base),
    }
    return row | _ask(player, memory, stream, settings.questions)


def _write(
    player: Player, wave: Sequence[LongChunk], memory: StructuredMemory, outcomes: Counter[str]
) -> tuple[StructuredMemory, float]:
    """The memory after a wave, and the processor seconds that memory alone took."""
    writer = player.writer
    started = time.process_time()
    shown = [writer.shown(memory, chunk.context) for chunk in wave]
    spent = time.process_time() - started
    said: list[Said] = player.write(wave, memory, shown)
    started = time.process_time()
    for chunk, seen, reply in zip(wave, shown, said, strict=True):
        if isinstance(reply, CallFailure):
            outcomes[f"call {reply.kind}"] += 1
            continue
        parsed = writer.parse(*reply, chunk.context, seen.entries)
        memory, records = apply_structured(memory, parsed.items, writer.op_context(chunk.context))
        outcomes.update(f"{record.op} {record.outcome}" for record in records)
        outcomes[f"reply {parsed.outcome}"] += 1
    return memory, spent + time.process_time() - started


def _ask(player: Player, memory: StructuredMemory, stream: LongStream, most: int) -> dict[str, Any]:
    """Scores of the questions, as token F1 with an interval over pairs; a failed call is left out and counted."""
    known = sorted(stream.questions, key=lambda asked: asked.told_at)
    asked: list[LongQuestion] = known if len(known) <= most else [known[i * len(known) // most] for i in range(most)]
    started = time.process_time()
    shown = [player.answerer.shown(memory, each.question.text, each.speakers) for each in asked]
    search = time.process_time() - started
    answers = player.answer(asked, shown)
    scored = [
        (each, token_f1(text, each.question.answer))
        for each, text in zip(asked, answers, strict=True)
        if not isinstance(text, CallFailure)
    ]

    def mean(part: Sequence[tuple[LongQuestion, float]]) -> list[float | None]:
        if not part:
            return [None, None, None]
        interval = clustered_mean([score for _, score in part], [each.pair for each, _ in part])
        return [_plain(interval.mean), _plain(interval.low), _plain(interval.high)]

    middle = stream.tokens_read / 2
    return {
        "questions": len(scored),
        "unanswered": len(asked) - len(scored),
        "search_ms": 1000 * search / max(1, len(asked)),
        "score": mean(scored),
        "score_early": mean([pair for pair in scored if pair[0].told_at < middle]),
        "score_late": mean([pair for pair in scored if pair[0].told_at >= middle]),
    }


def _plain(value: float) -> float | None:
    return None if value != value else float(value)


def _first_and_last(values: Sequence[float]) -> list[float]:
    return [values[0], values[-1]]


def _growth(parts: Sequence[_Part], base: int) -> list[float]:
    """KB of resident memory per chunk in the first and in the second half."""
    half = len(parts) // 2
    middle = parts[half - 1].resident or base
    first, second = (max(1, sum(part.chunks for part in each)) for each in (parts[:half], parts[half:]))
    return [(middle - base) / 1024 / first, (parts[-1].resident - middle) / 1024 / second]


def resident_bytes() -> int:
    """Resident memory of this process; where the system does not tell, its peak."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
