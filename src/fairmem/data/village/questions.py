"""Draws questions about a simulated conversation, each with gold answer, evidence turns and validity.

A question is valid from the first session after which it can be answered until the session before its gold
answer changes. Up to `PER_SESSION` questions begin to hold at each session, spread over the categories.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from fairmem.data.dates import long_date
from fairmem.data.village.lexicon import Lexicon
from fairmem.data.village.oracle import UNKNOWN, QuestionSpec
from fairmem.data.village.phrasing import KINDS, TWO_HOP, Split, SplitTexts, article
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

    def __init__(self, rng: random.Random, lexicon: Lexicon, split: Split, history: History) -> None:
        """`lexicon` gives the wrong values of yes/no questions, `split` the wording."""
        self._rng = rng
        self._lexicon = lexicon
        self._split: Split = split
        self._history = history
        self._last = history.sessions[-1].index
        self._by_slot: dict[tuple[str, str], list[Version]] = {}
        for version in history.versions:
            self._by_slot.setdefault((version.speaker, version.kind.name), []).append(version)

    def write(self) -> tuple[list[Question], dict[str, QuestionSpec]]:
        """The questions in order of `asked_from`, and what each asks for, by question id."""
        candidates = self._about_single() + self._about_multiple() + self._when() + self._two_hop() + self._absent()
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

    def _text(self, texts: SplitTexts, speaker: str, value: str = "") -> str:
        return self._rng.choice(texts[self._split]).format(n=speaker, v=value, a=article(value))

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
                out.append(
                    _Candidate(
                        QuestionSpec("value", speaker, name),
                        category,
                        self._text(kind.asks, speaker),
                        v.value,
                        (v.turn,),
                        v.session,
                        until,
                    )
                )
                if self._rng.random() < 0.35:
                    out.append(self._whether(v, until, {v.value}))
        return out

    def _whether(self, version: Version, until: int | None, held: set[str]) -> _Candidate:
        right = self._rng.random() < 0.5
        others = [x for x in self._lexicon.values[version.kind.lexicon_key] if x not in held]
        right = right or not others
        value = version.value if right else self._rng.choice(others)
        return _Candidate(
            QuestionSpec("whether", version.speaker, version.kind.name, value),
            "open_domain",
            self._text(version.kind.asks_whether, version.speaker, value),
            "yes" if right else "no",
            (version.turn,),
            version.session,
            until,
        )

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
                new = [v for v in held if v.session == start]
                if new and kind.asks_whether["train"] and self._rng.random() < 0.3:
                    out.append(self._whether(new[-1], until, {v.value for v in held}))
        return out

    def _when(self) -> list[_Candidate]:
        out: list[_Candidate] = []
        for v in self._history.versions:
            until = None if v.until is None else v.until - 1
            if v.kind.asks_when["train"] and (until is None or until >= v.session):
                spec = QuestionSpec("when", v.speaker, v.kind.name, v.value)
                text = self._text(v.kind.asks_when, v.speaker, v.value)
                out.append(_Candidate(spec, "temporal", text, long_date(v.time), (v.turn,), v.session, until))
        return out

    def _two_hop(self) -> list[_Candidate]:
        out: list[_Candidate] = []
        for (first, second), texts in TWO_HOP.items():
            for a in self._history.versions:
                if a.kind.name != first:
                    continue
                for b in self._by_slot.get((a.speaker, second), []):
                    start = max(a.session, b.session)
                    ends = [x.until - 1 for x in (a, b) if x.until is not None]
                    until = min(ends) if ends else None
                    if (until is not None and until < start) or self._shared(a):
                        continue
                    out.append(
                        _Candidate(
                            QuestionSpec("two_hop", a.speaker, first, a.value, second),
                            "multi_hop",
                            self._rng.choice(texts[self._split]).format(v=a.value),
                            b.value,
                            (a.turn, b.turn),
                            start,
                            until,
                        )
                    )
        return out

    def _shared(self, version: Version) -> bool:
        """Whether the other speaker ever has the same value, which would make 'the one who ...' ambiguous."""
        others = [s for s in self._history.speakers if s != version.speaker]
        return any(v.value == version.value for s in others for v in self._by_slot.get((s, version.kind.name), []))

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
