"""Every reward part by its name, and which of them a recipe's form of reward measures."""

from __future__ import annotations

from fairmem.config import RewardConfig
from fairmem.rewards.base import AnswerReward, CompressionReward, Reward
from fairmem.rewards.mem_alpha import CallsReward, ContentReward, RatioReward

REWARDS: dict[str, Reward] = {
    reward.name: reward
    for reward in (AnswerReward(), CompressionReward(), CallsReward(), RatioReward(), ContentReward())
}
"""Name -> part."""
_LEFT_OUT: dict[str, tuple[str, ...]] = {
    "memory_r2": ("calls", "compression", "content"),
    "mem_alpha": ("compression_penalty",),
    "mem_alpha_paper": ("compression_penalty",),
}


def reward_parts(settings: RewardConfig) -> dict[str, Reward]:
    """The parts that are measured on every branch: all of `REWARDS` but those of another form than `reward.form`."""
    return {name: reward for name, reward in REWARDS.items() if name not in _LEFT_OUT[settings.form]}
