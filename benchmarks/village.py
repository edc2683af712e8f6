"""How fast village conversations are made: conversations, sessions and tokens per second.

    python benchmarks/village.py

One process, one core; every conversation is simulated with its questions. Tokens are white-space separated words of
the dialogue. Each line is the best of three rounds, so that other work on the machine counts as little as it can.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from fairmem.data.village import generate
from fairmem.types import Conversation

ROUNDS = 3
SIZES = ((8, 200), (32, 60), (64, 30))
"""(sessions, conversations) of each line."""


@dataclass(frozen=True)
class Speed:
    """What one round made, and in how many seconds."""

    conversations: int
    turns: int
    tokens: int
    questions: int
    seconds: float


def measured(round_: int, sessions: int, count: int) -> Speed:
    """Another seed in every round: nothing can be remembered from the last."""
    started = time.perf_counter()
    made: list[Conversation] = generate(round_, "train", count, sessions)
    seconds = time.perf_counter() - started
    turns = [turn for conversation in made for session in conversation.sessions for turn in session.turns]
    return Speed(
        conversations=len(made),
        turns=len(turns),
        tokens=sum(len(turn.text.split()) for turn in turns),
        questions=sum(len(conversation.questions) for conversation in made),
        seconds=seconds,
    )


def main() -> None:
    generate(0, "train", 1, 2)  # reads the word lists
    print(f"{'sessions':>8}  {'conversations/s':>15}  {'turns/s':>9}  {'tokens/s':>9}  {'questions/s':>11}")
    for sessions, count in SIZES:
        best = min((measured(r, sessions, count) for r in range(ROUNDS)), key=lambda s: s.seconds / s.turns)
        rates = [n / best.seconds for n in (best.conversations, best.turns, best.tokens, best.questions)]
        print(f"{sessions:>8}  {rates[0]:>15,.0f}  {rates[1]:>9,.0f}  {rates[2]:>9,.0f}  {rates[3]:>11,.0f}")


if __name__ == "__main__":
    main()
