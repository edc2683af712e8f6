"""The parts of Mem-alpha's reward (arXiv 2509.25911) beside the answer score: calls, compression and content.

    r_t = r1 + r2_t + beta * r3 + gamma * r4_t

r1 is `answer` (see `qa`), and for a turn t of K_t calls

    calls        r2_t = calls that succeeded / K_t
    compression  r3 = 1 - memory tokens / tokens of all chunks
    content      r4_t = writing calls that the content judge found faithful / writing calls it judged

With `form = "mem_alpha"` a reply that says in the right form that there is nothing to do, and one that only deletes,
lose nothing: r2 and r4 are 1. A reply that cannot be read earns 0 in both. With `mem_alpha_paper` the published
incentives are back: a turn without calls earns 0 in both parts, deletions and searches stay in the denominator of r4,
a repeated insert counts as failed and a deletion of what is not there as done. In both a judge's call that failed is
left out, and a turn of which no call was judged is unmeasured (None), never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fairmem.config import RewardConfig
from fairmem.rewards.base import Outcome
from fairmem.trace import OpRecord, ParseOutcome, RoleTurn

WRITING = ("INSERT", "UPDATE", "CORE")
"""Operations whose text is judged."""
_DONE = ("applied", "merged_duplicate", "noop", "unchanged", "found", "nothing_found")
_READ = (ParseOutcome.OK, ParseOutcome.EMPTY)


def _calls(turn: RoleTurn) -> list[OpRecord]:
    return [op for op in turn.ops if op.op != "NOOP"]


def call_success(turn: RoleTurn, paper: bool = False) -> float:
    """Share of the calls of a writing turn that succeeded, dropped ones counted as failed; see the module."""
    calls = _calls(turn)
    asked = len(calls) + len(turn.dropped)
    if not asked:
        return float(not paper and turn.parse in _READ)
    if paper:
        done = sum(
            op.outcome in ("applied", "found", "nothing_found") or (op.op == "DELETE" and op.outcome == "unknown_id")
            for op in calls
        )
    else:
        done = sum(op.outcome in _DONE for op in calls)
    return done / asked


def content_quality(turn: RoleTurn, paper: bool = False) -> float | None:
    """Share of a turn's written texts that were judged faithful; None if there are some and none was judged."""
    calls = _calls(turn)
    written = [op for op in calls if op.op in WRITING and (paper or op.outcome == "applied")]
    judged = [op for op in written if op.faithful is not None]
    if written and not judged:
        return None
    faithful = sum(op.faithful is True for op in judged)
    if paper:
        asked = len(calls) + len(turn.dropped) - (len(written) - len(judged))
        return faithful / asked if asked else 0.0
    if not judged:
        return float(turn.parse in _READ or any(op.outcome in _DONE for op in calls))
    return faithful / len(judged)


def _by_session(outcome: Outcome, value: Callable[[RoleTurn], float | None]) -> dict[int, float | None]:
    """Mean of `value` over the writing turns of each session; of a rerollout over all its turns."""

    def mean(turns: Sequence[RoleTurn]) -> float | None:
        values = [value(turn) for turn in turns]
        known = [each for each in values if each is not None]
        if not turns:
            return 1.0  # nothing was asked of the writer, so nothing failed
        return sum(known) / len(known) if known else None

    turns = [turn for turn in outcome.turns if turn.role not in ("extractor", "answerer")]
    if outcome.local:
        return {outcome.sessions[-1]: mean(turns)}
    return {session: mean([turn for turn in turns if turn.session == session]) for session in outcome.sessions}


class CallsReward:
    """r2 per session, unweighted."""

    name = "calls"

    def __call__(self, outcome: Outcome, settings: RewardConfig) -> dict[int, float | None]:
        """See the module."""
        return _by_session(outcome, lambda turn: call_success(turn, settings.form == "mem_alpha_paper"))


class RatioReward:
    """beta * r3, the same for every session; None before any dialogue."""

    name = "compression"

    def __call__(self, outcome: Outcome, settings: RewardConfig) -> dict[int, float | None]:
        """See the module."""
        if outcome.dialogue_tokens == 0:
            return dict.fromkeys(outcome.sessions)
        return dict.fromkeys(outcome.sessions, settings.beta * (1.0 - outcome.memory_tokens / outcome.dialogue_tokens))


class ContentReward:
    """gamma * r4 per session."""

    name = "content"

    def __call__(self, outcome: Outcome, settings: RewardConfig) -> dict[int, float | None]:
        """See the module."""
        if not settings.gamma:
            return dict.fromkeys(outcome.sessions, 0.0)
        found = _by_session(outcome, lambda turn: content_quality(turn, settings.form == "mem_alpha_paper"))
        return {session: None if value is None else settings.gamma * value for session, value in found.items()}
