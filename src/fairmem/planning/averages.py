"""Conversations as long as those of a dataset on average, to plan with where its file is not at hand.

Measured with our loaders, captions of images included, over the questions that count by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fairmem.types import Conversation, Question, Session, Turn


@dataclass(frozen=True, slots=True)
class Average:
    """Mean size of the conversations of a dataset.

    Attributes:
        sessions: Of a conversation; `turns`: of a session.
        turn_chars: Characters of a turn.
        questions: About each session.
        question_chars: Characters of a question.
        source: What was measured.
    """

    sessions: int
    turns: float
    turn_chars: float
    questions: float
    question_chars: float
    source: str


AVERAGES: dict[str, Average] = {
    "locomo": Average(29, 23.2, 136.7, 5.1, 57.7, "LoCoMo's conv-43, conv-44 and conv-47: 88 sessions, 2,044 turns"),
}
"""Dataset -> mean sizes. `tests/unit/planning/test_averages.py` measures them again where the data is."""

_TEXT = (
    "we talked about the trip last weekend and how new job is going so far my sister came to visit brought a book "
    "gardens that I had wanted for years then it rained all day stayed in cooked together she says painting class on "
    "Thursdays has become her favourite part of week they plan to run half marathon in spring with friends from work"
)
_WORDS = tuple(_TEXT.split())


def average_conversation(average: Average, sessions: int, name: str) -> Conversation:
    """A conversation of at most `sessions` sessions with the mean sizes of `average`; it says nothing in particular."""
    speakers = ("Melanie", "Caroline")
    kept = min(sessions, average.sessions)
    made: list[Session] = []
    questions: list[Question] = []
    for number in range(1, kept + 1):
        first, last = int((number - 1) * average.turns + 0.5), int(number * average.turns + 0.5)
        turns = tuple(
            Turn(f"D{number}:{place + 1}", speakers[place % 2], _text(int(average.turn_chars), first + place))
            for place in range(last - first)
        )
        made.append(Session(number, datetime(2023, 5, 7, 13) + timedelta(days=9 * number), turns))
        asked = int(number * average.questions + 0.5) - int((number - 1) * average.questions + 0.5)
        questions += [
            Question(
                f"{name}:q{number}.{place}",
                _text(int(average.question_chars) - 1, number + place) + "?",
                "7 May 2023",
                "single_hop",
                (turns[place % len(turns)].id,),
                number,
            )
            for place in range(asked)
        ]
    return Conversation(name, speakers, tuple(made), tuple(questions))


def _text(size: int, seed: int) -> str:
    """`size` characters of plain words, other ones for another seed."""
    words, made = list[str](), 0
    while made < size:
        seed = (seed * 1_103_515_245 + 12_345) % 2**31
        words.append(_WORDS[seed // 65_536 % len(_WORDS)])
        made += len(words[-1]) + 1
    return " ".join(words)[:size].rstrip().ljust(size, ".")
