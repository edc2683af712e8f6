"""How a finished branch is rewarded: named parts per session, kept apart on the trace until a credit rule adds them.

To add a part: write a class like `AnswerReward`, register it in `REWARDS` (`fairmem.rewards`). Parts whose name ends in
`_penalty` are subtracted, all others are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fairmem.config import RewardConfig
from fairmem.rewards.compression import compression_penalty
from fairmem.rewards.qa import answer_by_session, balanced_score, mean_score
from fairmem.trace import QuizItem, RoleTurn


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of a branch when it is rewarded.

    Attributes:
        local: Whether the branch is a rerollout, which has one reward, at its last session.
        sessions: The sessions that get a reward (for a local branch only its last).
        quiz: The items its memory was asked.
        memory_tokens: Size of its memory after the last session.
        dialogue_tokens: Size of the dialogue up to and including the last session.
        balance: For a local branch, the session whose questions count for half of its answer score and all others
            for the other half; None counts every question alike.
        turns: The role turns of the branch.
    """

    local: bool
    sessions: tuple[int, ...]
    quiz: Sequence[QuizItem]
    memory_tokens: int
    dialogue_tokens: int
    balance: int | None = None
    turns: Sequence[RoleTurn] = ()


class Reward(Protocol):
    """One part of the reward."""

    name: str

    def __call__(self, outcome: Outcome, settings: RewardConfig) -> dict[int, float | None]:
        """Session -> value of this part; None where it could not be measured."""
        ...


class AnswerReward:
    """Mean answer score, by evidence session for global branches, over the quiz (or its halves) for local ones.

    With `reward.spread = "all"` every session of a global branch earns the mean over the whole quiz.
    """

    name = "answer"

    def __call__(self, outcome: Outcome, settings: RewardConfig) -> dict[int, float | None]:
        """See the class."""
        if outcome.local:
            balanced = outcome.balance is not None
            score = balanced_score(outcome.quiz, outcome.balance) if balanced else mean_score(outcome.quiz)[0]
            return {outcome.sessions[-1]: score}
        if settings.spread == "all":
            return dict.fromkeys(outcome.sessions, mean_score(outcome.quiz)[0])
        return {session: mean for session, (mean, _) in answer_by_session(outcome.quiz, outcome.sessions).items()}


class CompressionReward:
    """The same compression penalty for every session: the final memory is what is charged. None before any dialogue."""

    name = "compression_penalty"

    def __call__(self, outcome: Outcome, settings: RewardConfig) -> dict[int, float | None]:
        """See the class."""
        if outcome.dialogue_tokens == 0:
            return dict.fromkeys(outcome.sessions)
        penalty = compression_penalty(
            outcome.memory_tokens, outcome.dialogue_tokens, settings.compression_tau, settings.compression_lambda
        )
        return dict.fromkeys(outcome.sessions, penalty)
