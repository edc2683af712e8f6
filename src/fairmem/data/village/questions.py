"""Draws questions about a simulated conversation, each with gold answer, evidence turns and validity.

A question is valid from the first session after which it can be answered until the session before its gold
answer changes. Up to `PER_SESSION` questions begin to hold at each session, spread over the categories.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

from fairmem.data.dates import long_date
from fairmem.data.village.kinds import ASKS_PAIR, KINDS, PAIRED, article
from fairmem.data.village.oracle import UNKNOWN, QuestionSpec
from fairmem.data.village.splits import Split, phrasings
from fairmem.data.village.world import History, Version
from fairmem.types import CATEGORIES, Category, Question

PER_SESSION = 5


@dataclass(frozen=True, slots=True)
class _Candidate:
    spec: QuestionSpec
    category: Category
    text: str
    answer: str
    evidence: tuple[str, ...]
    asked_from: int
    valid_until: int | None


class QuestionWriter:
    """Writes the questions of one history. Draws only from `rng`."""

    def __init__(self, rng: random.Random, split: Split, history: History) -> None:
        """`split` gives the wording."""
        self._rng = rng
        self._split: Split = split
        self._history = history
        self._last = history.sessions[-1].index
        self._by_slot: dict[tuple[str, str], list[Version]] = {}
        for version in history.versions:
            self._by_slot.setdefault((version.speaker, version.kind.name), []).append(version)

    def write(self) -> tuple[list[Question], dict[str, QuestionSpec]]:
        """The questions in order of `asked_from`, and what each asks for, by question id."""
        candidates = self._about_single() + self._about_multiple() + self._when() + self._pairs() + self._absent()
        by_session: dict[int, list[_Candidate]] = {}
        for candidate in candidates:
            by_session.setdefault(candidate.asked_from, []).append(candidate)
        questions: list[Question] = []
        specs: dict[str, QuestionSpec] = {}
        for session in sorted(by_session):
            for number, c in enumerate(self._pick(by_session[session]), start=1):
                identity = f"q{session}.{number}"
                evidence = tuple(dict.fromkeys(c.evidence))  # one turn may tell two facts
                questions.append(
                    Question(identity, c.text, c.answer, c.category, evidence, c.asked_from, c.valid_until)
                )
                specs[identity] = c.spec
        return questions, specs

    def _pick(self, candidates: list[_Candidate]) -> list[_Candidate]:
        """At most `PER_SESSION`, one category after the other, so that frequent kinds do not crowd out rare ones."""
        self._rng.shuffle(candidates)
        rank: dict[Category, int] = {}
        keyed: list[tuple[int, int, _Candidate]] = []
        for c in candidates:
            rank[c.category] = rank.get(c.category, 0) + 1
            keyed.append((rank[c.category], CATEGORIES.index(c.category), c))
        keyed.sort(key=lambda item: item[:2])
        chosen = [c for _, _, c in keyed]
        adversarial = [c for c in chosen if c.category == "adversarial"][:1]
        return [c for c in chosen if c.category != "adversarial"][: PER_SESSION - len(adversarial)] + adversarial

    def _text(self, lines: tuple[str, ...], speaker: str, value: str = "") -> str:
        return self._rng.choice(phrasings(lines, self._split)).format(n=speaker, v=value, a=article(value))

    def _about_single(self) -> list[_Candidate]:
        out: list[_Candidate] = []
        for (speaker, name), versions in self._by_slot.items():
            kind = KINDS[name]
            if kind.multiple:
                continue
            for number, v in enumerate(versions):
                until = None if v.until is None else v.until - 1
                if until is not None and until < v.session:
                    continue
                category: Category = "knowledge_update" if number else "single_hop"
                spec = QuestionSpec("value", speaker, name)
                asked: list[tuple[Category, str]] = [(category, self._text(kind.asks, speaker))]
                if self._rng.random() < 0.3:
                    asked.append(("open_domain", self._text(kind.asks_use, speaker)))
                out += [_Candidate(spec, c, text, v.value, (v.turn,), v.session, until) for c, text in asked]
        return out

    def _about_multiple(self) -> list[_Candidate]:
        """Questions about sets of values, one per stretch of sessions over which the set does not change."""
        out: list[_Candidate] = []
        for (speaker, name), versions in self._by_slot.items():
            kind = KINDS[name]
            if not kind.multiple:
                continue
            changes = sorted({v.session for v in versions} | {v.until for v in versions if v.until is not None})
            for start, following in zip(changes, [*changes[1:], None], strict=True):
                held = [v for v in versions if v.holds_in(start)]
                until = None if following is None else following - 1
                ended = [v for v in versions if v.until == start]
                if not held and self._rng.random() < 0.6:
                    continue  # an empty memory also passes these; a few are enough to notice stale entries
                # What ended a value is evidence too: the session that took it back shall be credited.
                evidence = (*(v.turn for v in held), *(v.ended_by for v in ended if v.ended_by))
                category: Category = (
                    "multi_hop" if len({v.session for v in held}) > 1 else "knowledge_update" if ended else "single_hop"
                )
                answer = ", ".join(v.value for v in held) or UNKNOWN
                spec = QuestionSpec("list", speaker, name)
                out.append(_Candidate(spec, category, self._text(kind.asks, speaker), answer, evidence, start, until))
                if held and self._rng.random() < 0.3:
                    text = self._text(kind.asks_use, speaker)
                    out.append(_Candidate(spec, "open_domain", text, answer, evidence, start, until))
        return out

    def _when(self) -> list[_Candidate]:
        out: list[_Candidate] = []
        for v in self._history.versions:
            until = None if v.until is None else v.until - 1
            if v.kind.asks_when and (until is None or until >= v.session):
                spec = QuestionSpec("when", v.speaker, v.kind.name, v.value)
                text = self._text(v.kind.asks_when, v.speaker, v.value)
                out.append(_Candidate(spec, "temporal", text, long_date(v.time), (v.turn,), v.session, until))
        return out

    def _pairs(self) -> list[_Candidate]:
        """Multi-hop: two facts of one person at once, for as long as both hold."""
        out: list[_Candidate] = []
        for speaker in self._history.speakers:
            for first, second in itertools.permutations(PAIRED, 2):
                for a in self._by_slot.get((speaker, first.name), []):
                    for b in self._by_slot.get((speaker, second.name), []):
                        start = max(a.session, b.session)
                        ends = [x.until - 1 for x in (a, b) if x.until is not None]
                        until = min(ends) if ends else None
                        if a.session == b.session or (until is not None and until < start):
                            continue
                        text = self._rng.choice(phrasings(ASKS_PAIR, self._split))
                        text = text.format(n=speaker, x=first.noun, y=second.noun)
                        spec = QuestionSpec("pair", speaker, first.name, then=second.name)
                        answer = f"{a.value}, {b.value}"
                        out.append(_Candidate(spec, "multi_hop", text, answer, (a.turn, b.turn), start, until))
        return out

    def _absent(self) -> list[_Candidate]:
        """Adversarial: asks one speaker about what only the other one has told."""
        out: list[_Candidate] = []
        for (speaker, name), versions in self._by_slot.items():
            other = next(s for s in self._history.speakers if s != speaker)
            told = self._by_slot.get((other, name), [])
            until = told[0].session - 1 if told else None
            start = versions[0].session
            if until is None or until >= start:
                spec = QuestionSpec("value" if not KINDS[name].multiple else "list", other, name)
                text = self._text(KINDS[name].asks, other)
                out.append(_Candidate(spec, "adversarial", text, UNKNOWN, (versions[0].turn,), start, until))
        return out
