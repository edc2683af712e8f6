"""Credit assignment: rewards of rollouts that share a start -> an advantage per role turn.

Everything here is numpy on plain arrays and can be used in another trainer; only `inputs` and `assign` know the
trace.

    group.py        centring within one group; what happens to groups that compare nothing
    grpo.py         one group per session over whole rollouts; so are dr_grpo, rloo, broadcast, per_turn, membuilder
    logo.py         the same, plus groups of rerollouts from one shared memory (Memory-R2); shrunk_logo, ours
    tree.py, gigpo.py               groups of siblings, groups of equal memories
    vine.py, hcapo.py               values of states, hindsight; counterfactual.py, ours
    counterfactual_op.py, by_op.py  ours: values of single operations, token by token
    ppo.py, gae.py                  a critic, turn by turn
    rule.py         what a rule is to the trainer, and what it may need
    table.py        CREDIT_RULES: every rule by its name in a recipe
    needs.py        refuses a recipe that cannot give what its rule needs
    inputs.py       EpisodeTree -> arrays; assign.py: arrays -> credit per (branch, turn); parts.py: one reward of many
    diagnostics.py  how many groups that credit rests on

To add a rule: a pure function in its own file, a row in `CREDIT_RULES`, a test as tests/unit/credit/test_logo.py.
"""

from __future__ import annotations

from fairmem.config import CreditConfig
from fairmem.credit.assign import Credit, Judged, TurnCredit, assign
from fairmem.credit.broadcast import broadcast
from fairmem.credit.counterfactual import counterfactual, shrunk_counterfactual
from fairmem.credit.counterfactual_op import DecisionCredit, counterfactual_op
from fairmem.credit.diagnostics import CreditDiagnostics, GroupCounts
from fairmem.credit.dr_grpo import dr_grpo
from fairmem.credit.gae import gae
from fairmem.credit.gigpo import gigpo
from fairmem.credit.group import Floats, GroupCredit, GroupOutcome, Scale, group_centred
from fairmem.credit.grpo import GrpoCredit, grpo
from fairmem.credit.hcapo import hcapo
from fairmem.credit.inputs import Critic, Hindsight, learns, session_reward, steps_of_branch
from fairmem.credit.logo import LocalRewards, LogoCredit, logo
from fairmem.credit.membuilder import WeightedCredit, membuilder
from fairmem.credit.needs import check_rule
from fairmem.credit.parts import combined
from fairmem.credit.per_turn import per_turn
from fairmem.credit.ppo import Track, TrackCredit, ppo
from fairmem.credit.returns import discounted_returns
from fairmem.credit.rloo import rloo
from fairmem.credit.rule import CreditRule, Decisions, Forest, Need, Rule, RuleInput
from fairmem.credit.shrunk_logo import shrunk_logo
from fairmem.credit.table import CREDIT_RULES
from fairmem.credit.tree import TreeCredit, tree
from fairmem.credit.vine import vine

__all__ = [
    "CREDIT_RULES",
    "Credit",
    "CreditConfig",
    "CreditDiagnostics",
    "CreditRule",
    "Critic",
    "DecisionCredit",
    "Decisions",
    "Floats",
    "Forest",
    "GroupCounts",
    "GroupCredit",
    "GroupOutcome",
    "GrpoCredit",
    "Hindsight",
    "Judged",
    "LocalRewards",
    "LogoCredit",
    "Need",
    "Rule",
    "RuleInput",
    "Scale",
    "Track",
    "TrackCredit",
    "TreeCredit",
    "TurnCredit",
    "WeightedCredit",
    "assign",
    "broadcast",
    "check_rule",
    "combined",
    "counterfactual",
    "counterfactual_op",
    "discounted_returns",
    "dr_grpo",
    "gae",
    "gigpo",
    "group_centred",
    "grpo",
    "hcapo",
    "learns",
    "logo",
    "membuilder",
    "per_turn",
    "ppo",
    "rloo",
    "session_reward",
    "shrunk_counterfactual",
    "shrunk_logo",
    "steps_of_branch",
    "tree",
    "vine",
]
