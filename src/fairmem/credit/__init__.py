"""Credit assignment: rewards of rollouts that share a start -> an advantage per role turn.

Everything here is numpy on plain arrays and can be used in another trainer; only `assign` knows the trace.

    group.py        centring within one group; what happens to groups that compare nothing
    grpo.py         one group per session over whole rollouts
    logo.py         the same, plus groups of rerollouts from one shared memory (Memory-R2)
    assign.py       EpisodeTree -> credit per (branch, turn)
    diagnostics.py  how many groups that credit rests on

To add a rule: a pure function in its own file, a row in `CREDIT_RULES`, a test as tests/unit/credit/test_logo.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairmem.config import CreditConfig
from fairmem.credit.assign import Credit, CreditRule, TurnCredit, assign, session_reward
from fairmem.credit.diagnostics import CreditDiagnostics, GroupCounts
from fairmem.credit.group import Floats, GroupCredit, GroupOutcome, Scale, group_centred
from fairmem.credit.grpo import GrpoCredit, grpo
from fairmem.credit.logo import LocalRewards, LogoCredit, logo

__all__ = [
    "CREDIT_RULES",
    "Credit",
    "CreditConfig",
    "CreditDiagnostics",
    "CreditRule",
    "Floats",
    "GroupCounts",
    "GroupCredit",
    "GroupOutcome",
    "GrpoCredit",
    "LocalRewards",
    "LogoCredit",
    "Scale",
    "TurnCredit",
    "assign",
    "group_centred",
    "grpo",
    "logo",
    "session_reward",
]


def _grpo_rule(rewards_G_S: Floats, local: Sequence[LocalRewards], settings: CreditConfig) -> LogoCredit:
    return logo(rewards_G_S, local, 0.0, settings.scale, settings.floor)


def _logo_rule(rewards_G_S: Floats, local: Sequence[LocalRewards], settings: CreditConfig) -> LogoCredit:
    return logo(rewards_G_S, local, settings.local_weight, settings.scale, settings.floor)


CREDIT_RULES: dict[str, CreditRule] = {"grpo": _grpo_rule, "logo": _logo_rule}
"""Name in a recipe (`credit.rule`) -> rule."""
