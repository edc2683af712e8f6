"""What a branch earns: answer quality by evidence session, minus a charge for memory that outgrows the dialogue."""

from __future__ import annotations

from fairmem.rewards.base import REWARDS, AnswerReward, CompressionReward, Outcome, Reward
from fairmem.rewards.compression import compression_penalty
from fairmem.rewards.qa import answer_by_session, balanced_score, mean_score

__all__ = [
    "AnswerReward",
    "CompressionReward",
    "Outcome",
    "REWARDS",
    "Reward",
    "answer_by_session",
    "balanced_score",
    "compression_penalty",
    "mean_score",
]
