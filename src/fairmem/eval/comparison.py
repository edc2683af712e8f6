"""Two evaluations of the same questions: what changed, how sure that is, and which questions flipped.

Refuses numbers that are not the same quantity. Differences are second minus first, so positive means that the
second is better.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fairmem.errors import ConfigError
from fairmem.eval.page import Page, Span, Table, to_html, to_markdown, to_text
from fairmem.eval.rescore import BadKeys, rescored, without
from fairmem.eval.result import AnswerRecord, EvalResult
from fairmem.eval.summary import Comparison, Summary, compare, summarise
from fairmem.eval.tables import number, p_value, plural, signed, signed_spread, spread
from fairmem.metrics import mcnemar
from fairmem.replace import replace_text

RIGHT = 0.5
"""Least score of an answer that counts as right where answers are right or wrong (flips and McNemar's test)."""
COMPARISON_FORMAT = "fairmem-comparison"
COMPARISON_VERSION = 1

_FILES = ("eval.jsonl", "eval_after.jsonl")
_SETTINGS = (
    *("dataset", "memory", "model", "answerer", "categories", "shown_per_speaker", "budget", "temperature", "seed"),
    *("excluded", "judge"),
)


@dataclass(frozen=True, slots=True)
class Flip:
    """A question that is right in one evaluation and wrong in the other."""

    conversation: str
    question: str
    category: str
    text: str
    gold: str
    first: str
    second: str
    gained: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """Everything a comparison prints. `differs` has one line per setting in which the two are not alike."""

    names: tuple[str, str]
    first: EvalResult
    second: EvalResult
    summaries: tuple[Summary, Summary]
    change: Comparison
    flips: tuple[Flip, ...]
    differs: tuple[str, ...]

    @property
    def gained(self) -> int:
        """Questions that became right."""
        return sum(flip.gained for flip in self.flips)

    @property
    def p_mcnemar(self) -> float:
        """The p value of McNemar's exact test over the flips."""
        return mcnemar(self.gained, len(self.flips) - self.gained)


def load_evaluation(path: Path) -> EvalResult:
    """The evaluation in `path`: a file, the `--out` folder of `fairmem eval`, or a run's folder (its last one).

    Raises:
        CheckpointError: it is not there, or damaged.
    """
    if path.is_dir():
        path = next((path / name for name in _FILES if (path / name).is_file()), path / _FILES[0])
    return EvalResult.load(path)


def compare_results(
    first: EvalResult,
    second: EvalResult,
    names: tuple[str, str] = ("first", "second"),
    *,
    score: str | None = None,
    bad: BadKeys | None = None,
    mixed: bool = False,
    resamples: int = 10_000,
) -> Compared:
    """Pair the questions of two evaluations.

    Args:
        first: Differences are taken from it.
        second: Differences are taken to it.
        names: What the report calls them.
        score: Score both anew by this key of `fairmem.metrics.ANSWER_SCORES`; None takes them as they are.
        bad: Questions to leave out of both.
        mixed: Compare although the scores have different signatures.
        resamples: Of the bootstrap.

    Raises:
        ConfigError: other signatures and not `mixed`, no question in common, or an unknown `score`.
    """
    if score is not None:
        first, second = rescored(first, score), rescored(second, score)
    if bad is not None:
        first, second = without(first, bad), without(second, bad)
    old, new = first.header.signature, second.header.signature
    if old != new and not mixed:
        raise ConfigError(
            f"{names[0]} is scored by {old}, {names[1]} by {new}: not the same quantity; "
            "--score NAME scores both anew, --mixed compares them as they are"
        )
    pairs = _pairs(first, second)
    if not pairs:
        raise ConfigError(f"{names[0]} and {names[1]} have no question in common; compare evaluations of the same data")
    same = second.model_copy(update={"header": second.header.model_copy(update={"signature": old})})
    change = compare(first, same, resamples)
    summaries = (summarise(first, resamples), summarise(second, resamples))
    return Compared(names, first, second, summaries, change, _flips(pairs), _differs(first, second))


def comparison_page(found: Compared) -> Page:
    """The comparison, before it has a format."""
    change = found.change.overall
    old, new = found.first.header.signature, found.second.header.signature
    lost = len(found.flips) - found.gained
    headline = [
        f"{new if old == new else f'{old} against {new}'} {signed(change.difference)} {signed_spread(change)}, "
        f"p {p_value(change)} (sign flips of conversations), {plural(change.n, 'question')} paired, "
        f"{plural(change.clusters, 'conversation')}",
        f"{found.gained} became right, {lost} became wrong (score {RIGHT:g} or more is right); McNemar exact p "
        f"{found.p_mcnemar:.3g}, which takes questions for independent",
    ]
    if old != new:
        headline.insert(0, "DIFFERENT QUANTITIES: compared because --mixed was given; the difference means little.")
    if found.change.unpaired:
        headline.append(f"{plural(found.change.unpaired, 'question')} asked in only one of the two, left out.")
    tables = [_change_table(found)]
    if found.differs:
        rows = tuple(tuple(line.split("\t")) for line in found.differs)
        tables.append(Table("What else differs", ("setting", *found.names), rows, prose=True))
    if found.flips:
        tables.append(_flip_table(found))
    return Page(f"{found.names[1]} compared with {found.names[0]}", tuple(headline), tuple(tables))


def write_comparison(found: Compared, folder: Path) -> None:
    """Write `compare.json`, `compare.md` and `compare.html` to `folder`, which is made if absent.

    `compare.json` (format `fairmem-comparison`, version 1): `{names, signatures, score, categories: {name:
    difference}, mcnemar_p, gained, lost, unpaired, flips: [...], differs: [...]}`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = comparison_page(found)
    content = {
        "format": COMPARISON_FORMAT,
        "version": COMPARISON_VERSION,
        "names": list(found.names),
        "signatures": [found.first.header.signature, found.second.header.signature],
        "score": _finite(asdict(found.change.overall)),
        "categories": {name: _finite(asdict(paired)) for name, paired in found.change.categories.items()},
        "mcnemar_p": found.p_mcnemar,
        "gained": found.gained,
        "lost": len(found.flips) - found.gained,
        "unpaired": found.change.unpaired,
        "flips": [asdict(flip) for flip in found.flips],
        "differs": [line.split("\t") for line in found.differs],
    }
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    for name, body in (("json", text), ("md", to_markdown(page)), ("html", to_html(page))):
        replace_text(folder / f"compare.{name}", body)


def format_comparison(found: Compared) -> str:
    """The comparison as a terminal shows it."""
    return to_text(comparison_page(found))


def _change_table(found: Compared) -> Table:
    old, new = found.summaries
    rows = [("all", old.overall, new.overall, found.change.overall)]
    rows += [
        (name, old.categories[name], new.categories[name], paired) for name, paired in found.change.categories.items()
    ]
    cells = tuple(
        (
            name,
            f"{number(before.mean)} {spread(before)}",
            f"{number(after.mean)} {spread(after)}",
            signed(paired.difference),
            signed_spread(paired),
            p_value(paired),
            str(paired.n),
            f"{100 * paired.n / found.change.overall.n:.0f} %" if found.change.overall.n else "",
        )
        for name, before, after, paired in rows
    )
    note = (
        "Differences are paired by question; intervals and p treat conversations as the units drawn, so p cannot go "
        "below 2 / 2^conversations. n counts pairs scored on both sides; the means are over each side's own questions."
    )
    spans = tuple((Span(a.mean, a.low, a.high), Span(b.mean, b.low, b.high)) for _, a, b, _ in rows)
    return Table(
        "By question category", ("category", *found.names, "change", "95 %", "p", "n", "mix"), cells, note, spans
    )


def _flip_table(found: Compared) -> Table:
    rows = tuple(
        ("gained" if f.gained else "lost", f"{f.conversation} {f.category}", f.text, f.gold, f.first, f.second)
        for f in found.flips
    )
    return Table("Questions that flipped", ("", "where", "question", "gold", *found.names), rows, prose=True)


def _pairs(first: EvalResult, second: EvalResult) -> list[tuple[AnswerRecord, AnswerRecord]]:
    new = {(answer.conversation, answer.question): answer for answer in second.answers}
    return [(a, new[a.conversation, a.question]) for a in first.answers if (a.conversation, a.question) in new]


def _flips(pairs: Sequence[tuple[AnswerRecord, AnswerRecord]]) -> tuple[Flip, ...]:
    found = [
        Flip(a.conversation, a.question, a.category, a.text, a.gold, a.answer or "", b.answer or "", b.score >= RIGHT)
        for a, b in pairs
        if a.score is not None and b.score is not None and (a.score >= RIGHT) != (b.score >= RIGHT)
    ]
    return tuple(sorted(found, key=lambda flip: not flip.gained))


def _differs(first: EvalResult, second: EvalResult) -> tuple[str, ...]:
    rows = [(name, getattr(first.header, name), getattr(second.header, name)) for name in _SETTINGS]
    hashes = [header.prompt_hashes for header in (first.header, second.header)]
    rows += [
        (f"prompt of the {role}", hashes[0].get(role, "none")[:12], hashes[1].get(role, "none")[:12])
        for role in sorted({*hashes[0], *hashes[1]})
    ]
    return tuple(f"{name}\t{_shown(old)}\t{_shown(new)}" for name, old, new in rows if old != new)


def _shown(value: object) -> str:
    return ", ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def _finite(numbers: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in numbers.items()}
