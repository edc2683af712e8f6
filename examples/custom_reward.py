"""A reward part of your own: questions about facts that changed count three times.

A part is a class with a `name` that maps an `Outcome` (what is known of a finished branch) to one value per
session, None where nothing could be measured. This one takes the place of the shipped part called "answer".

    python examples/custom_reward.py

To train with it, register it and start the run from Python:

    REWARDS["answer"] = ChangesCountMore()
    fairmem.train.run(load_recipe("memory_r2_small"), Path("runs/changes"))
"""

from __future__ import annotations

from collections.abc import Sequence

from fairmem.config import RewardConfig
from fairmem.rewards import REWARDS, AnswerReward, Outcome, Reward
from fairmem.trace import QuizItem

WEIGHTS = {"knowledge_update": 3.0}


def weighted_mean(items: Sequence[QuizItem]) -> float | None:
    """Mean score, each item counting by its category; None without a scored item (a failed call has no score)."""
    scored = [(WEIGHTS.get(item.category, 1.0), item.score) for item in items if item.score is not None]
    total = sum(weight for weight, _ in scored)
    return sum(weight * score for weight, score in scored) / total if total else None


class ChangesCountMore:
    """The answer part, with changed facts weighted up."""

    name = "answer"

    def __call__(self, outcome: Outcome, settings: RewardConfig) -> dict[int, float | None]:
        """See the class."""
        if outcome.local:  # a rerollout is rewarded once, after its last session
            return {outcome.sessions[-1]: weighted_mean(outcome.quiz)}
        return {s: weighted_mean([item for item in outcome.quiz if s in item.sessions]) for s in outcome.sessions}


def asked(question: str, category: str, score: float, *sessions: int) -> QuizItem:
    return QuizItem(question=question, category=category, after_session=3, gold="", score=score, sessions=sessions)


def main() -> None:
    quiz = [
        asked("home", "knowledge_update", 0.0, 1),
        asked("pet", "single_hop", 1.0, 1),
        asked("trip", "temporal", 0.5, 2),
    ]
    outcome = Outcome(local=False, sessions=(1, 2, 3), quiz=quiz, memory_tokens=40, dialogue_tokens=200)
    parts: tuple[Reward, ...] = (AnswerReward(), ChangesCountMore())
    for part in parts:
        print(f"{type(part).__name__:<17} {part(outcome, RewardConfig())}")
    REWARDS["answer"] = ChangesCountMore()


if __name__ == "__main__":
    main()
