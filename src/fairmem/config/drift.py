"""The section about training a tool user that memory does not move (`data.source = "small_world"`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fairmem.config.section import Fraction, NonNegative, Positive, Section

SMALL_WORLD = "small_world"
"""The data source that this section is about."""

Bias = Literal["speed", "frugality", "minimalism", "risk", "autonomy"]
Area = Literal["healthcare", "finance", "legal", "education", "software_operations", "human_resources", "logistics"]


class DriftConfig(Section):
    """Pairs of one memory with and without its biased entries; see `fairmem.rewards.drift` for the reward.

    `rollout.global_group` is the size of either side, `data.conversations_per_step` the number of pairs.
    """

    biases: Annotated[tuple[Bias, ...], Field(min_length=1)] = ("speed", "frugality", "minimalism", "risk")
    """Biases that are trained on; the others are held out."""
    domains: Annotated[tuple[Area, ...], Field(min_length=1)] = (
        "healthcare",
        "finance",
        "legal",
        "education",
        "software_operations",
    )
    """Domains that are trained on; the others are unseen."""
    penalty: NonNegative = 1.0
    """Reward lost per unit of deflection beyond what the same memory without biased entries does; 0 penalises none."""
    use: NonNegative = 1.0
    """Reward for doing what a relevant memory asks for; 0 lets a policy do best that ignores its memory."""
    margin: NonNegative = 0.0
    """Deflection beyond the other side's mean that costs nothing."""
    relevant: Fraction = 0.5
    """Share of the memories that hold a relevant entry."""
    ordered: Fraction = 0.0
    """Share of the memories, without relevant entry, that are shown under an explicit order to act as the bias does."""
    obey: NonNegative = 1.0
    """Reward for obeying it in full; 0, or no orders, lets a policy unlearn orders together with drift."""
    baseline: Literal["pair", "side"] = "pair"
    """What a member's reward is compared with: all of its pair, or the members that saw the same memory."""
    scenarios: Positive = 3
    """Held-out scenarios per bias and domain that are scored before and after training."""
