"""The records a conversation is made of. All are frozen; nothing here reads files or draws random numbers.

A `Conversation` holds dated `Session`s of `Turn`s between named speakers, the `Question`s asked about it,
and, where a generator made it, the gold `Delta`s each session makes to what is worth remembering.
A `Chunk` is the slice of one session that one extractor call sees.

Session numbers count from 1, as in LoCoMo (`D3:2` is turn 2 of session 3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, get_args

Category = Literal["multi_hop", "temporal", "open_domain", "single_hop", "adversarial", "knowledge_update"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
"""LoCoMo's five categories (its integers 1-5, in this order) and LongMemEval's knowledge update."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""Letters of the options of a multiple-choice question, in order."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance. `id` is unique in its conversation; `caption` describes an image that was sent with it."""

    id: str
    speaker: str
    text: str
    caption: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """Turns exchanged at one time. `index` counts from 1; `time` has no zone (the speakers' own clock)."""

    index: int
    time: datetime
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The slice of a session that one extractor call sees. `index` counts from 0 within the session."""

    session: int
    index: int
    time: datetime
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its gold answer.

    Attributes:
        answer: Gold answer; for `adversarial` questions the answer a system should refuse to give is not
            kept, and this is the refusal that counts as right.
        evidence: Ids of the turns that support the answer; may be empty where the source gives none.
        asked_from: First session after which the question can be answered.
        valid_until: Last session after which `answer` still holds; None means for ever.
        kind: The dataset's own name for the type of question, where it has one.
        options: For multiple choice, the options as they are shown; `answer` is one of them.
        alternatives: Other answers that count as right.
        rubric: What a judge checks an answer for, one by one, where the source says it.
    """

    id: str
    text: str
    answer: str
    category: Category
    evidence: tuple[str, ...]
    asked_from: int
    valid_until: int | None = None
    kind: str = ""
    options: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    rubric: tuple[str, ...] = ()

    @property
    def asked(self) -> str:
        """The question as it is put to the answerer, with its options; memory is searched by `text` alone."""
        if not self.options:
            return self.text
        listed = " ".join(f"({letter}) {option}" for letter, option in zip(LETTERS, self.options, strict=False))
        return f"{self.text} Options: {listed} Answer with the letter of one option."

    def holds_after(self, session: int) -> bool:
        """Whether the question can be asked, with this gold answer, after `session` sessions."""
        return self.asked_from <= session and (self.valid_until is None or session <= self.valid_until)


@dataclass(frozen=True, slots=True)
class Delta:
    """One gold change to what is worth remembering, caused by one turn.

    `kind` is `new`, `change`, `retract` or `repeat`; `content` is the fact as a self-contained sentence;
    `previous` is the sentence it replaces, takes back or repeats.
    """

    session: int
    turn: str
    kind: Literal["new", "change", "retract", "repeat"]
    speaker: str
    content: str
    previous: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """Sessions in order of time, with the questions about them. `speakers` are the participants' names."""

    id: str
    speakers: tuple[str, ...]
    sessions: tuple[Session, ...]
    questions: tuple[Question, ...] = ()
    deltas: tuple[Delta, ...] = ()

    def truncated(self, sessions: int) -> Conversation:
        """The first `sessions` sessions, with the questions whose gold answer holds after the last of them.

        Questions that hold only earlier stay too (local comparisons ask them); those that can be asked
        only later are dropped.
        """
        if sessions >= len(self.sessions):
            return self
        kept = self.sessions[:sessions]
        last = kept[-1].index if kept else 0
        return replace(
            self,
            sessions=kept,
            questions=tuple(q for q in self.questions if q.asked_from <= last),
            deltas=tuple(d for d in self.deltas if d.session <= last),
        )

    def questions_after(self, session: int) -> tuple[Question, ...]:
        """The questions that can be asked, with their gold answers, after session number `session`."""
        return tuple(q for q in self.questions if q.holds_after(session))

    def session_of_turn(self) -> dict[str, int]:
        """Turn id -> session number."""
        return {turn.id: session.index for session in self.sessions for turn in session.turns}
