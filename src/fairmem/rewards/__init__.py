"""What a branch earns: answer quality by evidence session, and what its form of reward charges or adds for memory.

What calls of tools earn is apart from these parts, in `drift`: they are compared in pairs.
"""

from __future__ import annotations

from fairmem.rewards.base import AnswerReward, CompressionReward, Outcome, Reward
from fairmem.rewards.compression import compression_penalty
from fairmem.rewards.content import ContentItem, ContentJudge, Judged, LexicalFaithfulness, PolicyJudge
from fairmem.rewards.drift import CallOutcome, DriftReward, pair_rewards
from fairmem.rewards.mem_alpha import (
    WRITING,
    CallsReward,
    ContentReward,
    RatioReward,
    call_success,
    content_quality,
)
from fairmem.rewards.qa import answer_by_session, balanced_score, mean_score
from fairmem.rewards.table import REWARDS, reward_parts

__all__ = [
    "AnswerReward",
    "CallOutcome",
    "CallsReward",
    "CompressionReward",
    "ContentItem",
    "ContentJudge",
    "ContentReward",
    "DriftReward",
    "Judged",
    "LexicalFaithfulness",
    "Outcome",
    "PolicyJudge",
    "REWARDS",
    "RatioReward",
    "Reward",
    "WRITING",
    "answer_by_session",
    "balanced_score",
    "call_success",
    "compression_penalty",
    "content_quality",
    "mean_score",
    "pair_rewards",
    "reward_parts",
]
