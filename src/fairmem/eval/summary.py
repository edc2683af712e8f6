"""From an evaluation to numbers: scores, memory sizes and losses of evidence, each with its interval.

Pure functions of `EvalResult`; everything a report prints is made here. Three rules hold throughout:

- Every mean is the micro mean: over questions (evidence turns, replies), not over per-conversation means.
  Memory sizes are the exception, being one number per conversation.
- Every interval is a 95 % one and treats conversations as the units drawn. With `FEW` conversations or more it
  is the cluster bootstrap of `fairmem.metrics.clustered_mean`; below that its `t` interval, since the bootstrap
  cannot leave the range of a few conversations' means; with one conversation there is none (nan). Ends are cut
  to the values the number can take.
- A failed call is unscored: counted, shown, and in no mean. A conversation whose memory could not be built
  was asked nothing; it counts as failed, and only its replies and operations are in the counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fairmem.errors import ConfigError
from fairmem.eval.result import AnswerRecord, EvalResult, MemoryRecord
from fairmem.metrics import Interval, PairedResult, clustered_mean, paired_difference
from fairmem.trace import ParseOutcome
from fairmem.types import CATEGORIES

FEW = 5
"""Below this many conversations intervals are Student's t, not the bootstrap."""

_PARSED = frozenset({ParseOutcome.OK.value, ParseOutcome.EMPTY.value})
_ROLES = ("extractor", "manager", "single", "writer", "answerer")


@dataclass(frozen=True, slots=True)
class MemorySize:
    """Size of the memories after the last session, as means over conversations.

    Attributes:
        entries: Live entries.
        tokens: Tokens of live entries.
        share: Those tokens as a share of the dialogue's (the compression ratio); can exceed 1.
    """

    entries: Interval
    tokens: Interval
    share: Interval


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How well the answerer was served, over questions with evidence in the conversation.

    Attributes:
        evidence_recall: Share of a question's evidence turns that the answerer was shown.
        stored_recall: The same share of those that memory holds, so of what a search could find.
        reciprocal_rank: 1 / place of the first entry found that holds evidence; 0 if there is none.
        shown: Entries shown.
        prompt_tokens: Tokens of the answerer's prompt, where they were counted.
    """

    evidence_recall: Interval
    stored_recall: Interval
    reciprocal_rank: Interval
    shown: Interval
    prompt_tokens: Interval


@dataclass(frozen=True, slots=True)
class Distillation:
    """What answerers kept of the entries shown, over questions that were asked for a list.

    Attributes:
        kept: Entries kept.
        precision: Share of them that hold evidence, over questions with evidence that kept any.
        recall: Share of the shown entries with evidence that were kept, over questions that were shown any.
        formed: Share of well-formed lists, empty ones among them.
    """

    kept: Interval
    precision: Interval
    recall: Interval
    formed: Interval


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers of one evaluation.

    Attributes:
        overall: Mean score over all questions.
        categories: Mean score per question category, in the order of `fairmem.types.CATEGORIES`; only
            categories that were asked.
        size: Size of the memories.
        retrieval: What the answerer was shown of the evidence.
        distillation: What it kept of it; None where it was not asked for a list.
        m_fail: M-Fail: share of evidence turns that no live entry came from. Turn ids are given by the model
            and survive an update that drops the fact, so it can flatter a memory.
        r_fail: R-Fail: share of evidence turns that are in memory, but in no entry the answerer was shown.
            Same denominator as `m_fail`, so their sum is the share that never reached the answerer.
        parse: Role -> share of replies parsed as asked (`ok` or `empty`).
        replies: `role outcome` -> replies, over all conversations, also the failed ones.
        ops: `OP outcome` -> operations, likewise.
        asked: Questions asked.
        unscored: Questions asked without a score.
        failures: Kind of failure -> questions unscored for it.
        conversations: Conversations evaluated.
        failed: Conversations whose memory could not be built.
    """

    overall: Interval
    categories: dict[str, Interval]
    size: MemorySize
    retrieval: Retrieval
    m_fail: Interval
    r_fail: Interval
    parse: dict[str, Interval]
    replies: dict[str, int]
    ops: dict[str, int]
    asked: int
    unscored: int
    failures: dict[str, int]
    conversations: int
    failed: int
    distillation: Distillation | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences `after - before` over the same questions or conversations, with intervals and p values.

    Attributes:
        overall: Of the score, over all questions asked in both.
        categories: The same per category.
        entries: Of live entries per conversation; `tokens` and `share` likewise.
        m_fail: Of M-Fail; conversations that were asked other questions are left out. `r_fail` likewise.
        better: Questions whose score rose; `worse` those whose score fell.
        unpaired: Questions asked in only one of the two.
    """

    overall: PairedResult
    categories: dict[str, PairedResult]
    entries: PairedResult
    tokens: PairedResult
    share: PairedResult
    m_fail: PairedResult
    r_fail: PairedResult
    better: int
    worse: int
    unpaired: int


def summarise(result: EvalResult, resamples: int = 10_000) -> Summary:
    """The numbers of `result`; `resamples` is the bootstrap's. The same result gives the same numbers."""
    draw = _Intervals(result.header.seed, resamples)
    answers, memories = result.answers, result.memories
    built = [memory for memory in memories if not memory.failed]
    roles = sorted({_role(name) for memory in memories for name in memory.parse}, key=_role_rank)
    return Summary(
        overall=draw.scores(answers),
        categories={name: draw.scores([a for a in answers if a.category == name]) for name in _asked(answers)},
        size=MemorySize(
            entries=draw.mean([_entries(m) for m in memories], [m.conversation for m in memories], math.inf),
            tokens=draw.mean([_tokens(m) for m in memories], [m.conversation for m in memories], math.inf),
            share=draw.mean([_share(m) for m in memories], [m.conversation for m in memories], math.inf),
        ),
        retrieval=_retrieval(draw, answers),
        m_fail=draw.rate(built, [m.lost for m in built], [m.evidence for m in built]),
        r_fail=draw.rate(built, [m.unshown for m in built], [m.evidence for m in built]),
        parse={
            role: draw.rate(memories, [_parsed(m, role) for m in memories], [_replies(m, role) for m in memories])
            for role in roles
        },
        replies=_sum([memory.parse for memory in memories]),
        ops=_sum([memory.ops for memory in memories]),
        asked=len(answers),
        unscored=sum(answer.score is None for answer in answers),
        failures=_failures(answers),
        conversations=len(memories),
        failed=len(memories) - len(built),
        distillation=_distillation(draw, [answer for answer in answers if answer.keep]),
    )


def compare(before: EvalResult, after: EvalResult, resamples: int = 10_000) -> Comparison:
    """Compare two evaluations, question by question and conversation by conversation.

    Raises:
        ConfigError: their scores have different signatures, so they are not the same quantity.
    """
    if before.header.signature != after.header.signature:
        raise ConfigError(
            f"the evaluations cannot be compared: one is scored by {before.header.signature}, "
            f"the other by {after.header.signature}; score both the same way"
        )
    draw = _Intervals(before.header.seed, resamples)
    old, new = _by_question(before), _by_question(after)
    both = [(answer, new[key]) for key, answer in old.items() if key in new]
    memories = {memory.conversation: memory for memory in after.memories}
    pairs = [(m, memories[m.conversation]) for m in before.memories if m.conversation in memories]
    names = [memory.conversation for memory, _ in pairs]
    changes = [b.score - a.score for a, b in both if a.score is not None and b.score is not None]
    return Comparison(
        overall=draw.score_change(both),
        categories={
            name: draw.score_change([pair for pair in both if pair[0].category == name])
            for name in _asked([answer for answer, _ in both])
        },
        entries=draw.change([_entries(a) for a, _ in pairs], [_entries(b) for _, b in pairs], names, math.inf),
        tokens=draw.change([_tokens(a) for a, _ in pairs], [_tokens(b) for _, b in pairs], names, math.inf),
        share=draw.change([_share(a) for a, _ in pairs], [_share(b) for _, b in pairs], names, math.inf),
        m_fail=draw.evidence_change(pairs, [(a.lost, b.lost) for a, b in pairs]),
        r_fail=draw.evidence_change(pairs, [(a.unshown, b.unshown) for a, b in pairs]),
        better=sum(change > 0 for change in changes),
        worse=sum(change < 0 for change in changes),
        unpaired=len(old) + len(new) - 2 * len(both),
    )


@dataclass(frozen=True, slots=True)
class _Intervals:
    """Means and differences with the interval the module docstring names."""

    seed: int
    resamples: int

    def mean(self, values: Sequence[float | None], clusters: Sequence[str], most: float) -> Interval:
        """The mean of `values`, each in [0, `most`]."""
        few = len({c for v, c in zip(values, clusters, strict=True) if v is not None and not math.isnan(v)}) < FEW
        found = clustered_mean(
            values, clusters, seed=self.seed, resamples=self.resamples, method="t" if few else "bootstrap"
        )
        return replace(found, low=_cut(found.low, 0.0, most), high=_cut(found.high, 0.0, most))

    def scores(self, answers: Sequence[AnswerRecord]) -> Interval:
        """The mean score of `answers`."""
        return self.mean([answer.score for answer in answers], [answer.conversation for answer in answers], 1.0)

    def rate(self, memories: Sequence[MemoryRecord], hits: Sequence[int], totals: Sequence[int]) -> Interval:
        """Hits over totals of all `memories`; n counts the totals."""
        names = [memory.conversation for memory in memories]
        # A mean and its clustered interval depend on a cluster's sum and size alone, not on who hit.
        values = [hit / total if total else 0.0 for hit, total in zip(hits, totals, strict=True)]
        spread = np.repeat(np.array(values, dtype=np.float64), totals).tolist()
        clusters = [name for name, total in zip(names, totals, strict=True) for _ in range(total)]
        return self.mean(spread, clusters, 1.0)

    def change(
        self, before: Sequence[float | None], after: Sequence[float | None], clusters: Sequence[str], most: float
    ) -> PairedResult:
        """The mean of `after - before`, each value in [0, `most`]."""
        found = paired_difference(before, after, clusters, seed=self.seed, resamples=self.resamples)
        low, high = found.low, found.high
        if found.clusters < FEW:
            steps = [None if a is None or b is None else b - a for a, b in zip(before, after, strict=True)]
            student = clustered_mean(steps, clusters, seed=self.seed, resamples=1, method="t")
            low, high = student.low, student.high
        return replace(found, low=_cut(low, -most, most), high=_cut(high, -most, most))

    def score_change(self, both: Sequence[tuple[AnswerRecord, AnswerRecord]]) -> PairedResult:
        """The mean change of the score over pairs of answers to the same question."""
        return self.change([a.score for a, _ in both], [b.score for _, b in both], [a.conversation for a, _ in both], 1)

    def evidence_change(
        self, pairs: Sequence[tuple[MemoryRecord, MemoryRecord]], counts: Sequence[tuple[int, int]]
    ) -> PairedResult:
        """The change of a share of evidence turns, given the counts of both memories of each conversation."""
        before: list[float] = []
        after: list[float] = []
        clusters: list[str] = []
        for (a, b), (hit_a, hit_b) in zip(pairs, counts, strict=True):
            if not (a.failed or b.failed) and a.evidence == b.evidence:
                before += [hit_a / a.evidence] * a.evidence if a.evidence else []
                after += [hit_b / b.evidence] * b.evidence if b.evidence else []
                clusters += [a.conversation] * a.evidence
        return self.change(before, after, clusters, 1.0)


def _retrieval(draw: _Intervals, answers: Sequence[AnswerRecord]) -> Retrieval:
    grounded = [answer for answer in answers if _grounded(answer)]
    stored = [answer for answer in grounded if answer.unshown + answer.reached]
    ranked = [answer for answer in grounded if answer.ranked]

    def mean(values: Sequence[float | None], of: Sequence[AnswerRecord], most: float = 1.0) -> Interval:
        return draw.mean(values, [answer.conversation for answer in of], most)

    return Retrieval(
        evidence_recall=mean([a.reached / (a.lost + a.unshown + a.reached) for a in grounded], grounded),
        stored_recall=mean([a.reached / (a.unshown + a.reached) for a in stored], stored),
        reciprocal_rank=mean([1 / a.rank if a.rank else 0.0 for a in ranked], ranked),
        shown=mean([float(a.shown) for a in answers], answers, math.inf),
        prompt_tokens=mean([a.prompt_tokens for a in answers], answers, math.inf),
    )


def _grounded(answer: AnswerRecord) -> bool:
    """Whether the question has evidence in the conversation."""
    return answer.lost + answer.unshown + answer.reached > 0


def _distillation(draw: _Intervals, listed: Sequence[AnswerRecord]) -> Distillation | None:
    if not listed:
        return None

    def mean(values: Sequence[float | None], most: float = 1.0) -> Interval:
        return draw.mean(values, [answer.conversation for answer in listed], most)

    return Distillation(
        kept=mean([float(a.kept) for a in listed], math.inf),
        precision=mean([a.kept_grounds / a.kept if a.kept and _grounded(a) else None for a in listed]),
        recall=mean([a.kept_grounds / a.grounds if a.grounds else None for a in listed]),
        formed=mean([float(a.keep in _PARSED) for a in listed]),
    )


def _cut(value: float, low: float, high: float) -> float:
    """`value` within [low, high]; nan stays nan."""
    return value if math.isnan(value) else min(max(value, low), high)


def _asked(answers: Sequence[AnswerRecord]) -> list[str]:
    """Categories of `answers`: the known ones in their order, then others by name."""
    found = {answer.category for answer in answers}
    return [name for name in CATEGORIES if name in found] + sorted(found.difference(CATEGORIES))


def _by_question(result: EvalResult) -> dict[tuple[str, str], AnswerRecord]:
    return {(answer.conversation, answer.question): answer for answer in result.answers}


def _entries(memory: MemoryRecord) -> float | None:
    return None if memory.failed else float(memory.entries)


def _tokens(memory: MemoryRecord) -> float | None:
    return None if memory.failed else float(memory.tokens)


def _share(memory: MemoryRecord) -> float | None:
    return None if memory.failed or memory.dialogue_tokens == 0 else memory.tokens / memory.dialogue_tokens


def _role(name: str) -> str:
    return name.split(" ", 1)[0]


def _role_rank(role: str) -> tuple[int, str]:
    return (_ROLES.index(role) if role in _ROLES else len(_ROLES), role)


def _replies(memory: MemoryRecord, role: str) -> int:
    return sum(count for name, count in memory.parse.items() if _role(name) == role)


def _parsed(memory: MemoryRecord, role: str) -> int:
    return sum(n for name, n in memory.parse.items() if _role(name) == role and name.split(" ", 1)[-1] in _PARSED)


def _sum(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in counts:
        total.update(part)
    return dict(sorted(total.items()))


def _failures(answers: Sequence[AnswerRecord]) -> dict[str, int]:
    """Kind -> unscored answers. A failure reads `kind: message`."""
    kinds = Counter(
        "unknown" if answer.failure is None else answer.failure.split(":", 1)[0]
        for answer in answers
        if answer.score is None
    )
    return dict(sorted(kinds.items()))
