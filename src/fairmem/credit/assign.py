"""From an episode tree to credit per role turn. The one file of this package that reads a trace.

Which turns are compared with which:

1. Global branches form one group per session; the credit of (branch, session) goes to every extractor and
   manager turn of that session on that branch. With scope `trajectory` they form one group in all, and
   its credit goes to the turns of every session.
2. Local branches with the same parent and fork session form one group. A local branch earns its reward at
   the last session it was scored after (it may have rolled on past the fork); the credit goes to its turns
   of the fork session only, because the sessions after it were played on memories that already differ.
3. A branch on which a model call failed is in no group. A session that was not scored is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from fairmem.config import CreditConfig
from fairmem.credit.diagnostics import CreditDiagnostics
from fairmem.credit.group import Floats
from fairmem.credit.logo import LocalRewards, LogoCredit
from fairmem.errors import CreditError
from fairmem.trace import Branch, EpisodeTree, SessionReward

CreditRule = Callable[[Floats, Sequence[LocalRewards], CreditConfig], LogoCredit]
"""(global rewards [G, S], local rewards, settings) -> credit of the same shapes."""

_PENALTY = "_penalty"
"""Ending of the names of reward parts that are subtracted."""

_TRAINED_ROLES = ("extractor", "manager", "single")


class TurnCredit(NamedTuple):
    """What one role turn is worth: its advantage, and the weight of its row in the loss (above 0)."""

    advantage: float
    weight: float


@dataclass(frozen=True, slots=True)
class Credit:
    """Credit of the role turns of one tree.

    Attributes:
        turns: (branch id, turn id) -> credit, for the turns that have any. Turns of dropped groups, of
            failed branches and of the answerer are absent.
        groups: (branch id, turn id) -> id of the comparison group, for the same turns.
        diagnostics: Groups formed and dropped.
    """

    turns: Mapping[tuple[str, str], TurnCredit]
    groups: Mapping[tuple[str, str], str]
    diagnostics: CreditDiagnostics


def assign(tree: EpisodeTree, rule: str | CreditRule | None = None, settings: CreditConfig | None = None) -> Credit:
    """Credit of every extractor and manager turn of `tree`.

    Args:
        tree: With rewards on its branches.
        rule: A key of `CREDIT_RULES` or a function of that form; None takes `settings.rule`.
        settings: Scale, floor, local weight and scope; None takes the defaults.

    Raises:
        CreditError: unknown rule, a reward for a session the tree does not have, two rewards for one
            session, or a local branch that does not say where it forked.
    """
    settings = settings or CreditConfig()
    apply = _rule(settings.rule if rule is None else rule)
    _check_forks(tree)
    siblings = [branch for branch in tree.global_branches if not branch.failed]
    forks = {
        key: members
        for key, branches in tree.local_groups().items()
        if (members := [branch for branch in branches if not branch.failed])
    }
    if settings.scope == "trajectory":
        rewards_G_S = _trajectory_rewards(siblings, tree.sessions)
    else:
        rewards_G_S = _session_rewards(siblings, tree.sessions)
    result = apply(
        rewards_G_S,
        [(session, _local_rewards(members, tree.sessions)) for (_, session), members in forks.items()],
        settings,
    )
    turns, groups = _global_turns(siblings, result, tree.conversation, settings.scope == "trajectory")
    for index, ((parent, session), members) in enumerate(forks.items()):
        group = f"{tree.conversation}/local/{parent}/{session}"
        for branch, advantage, kept in zip(members, result.local[index], result.local_kept[index], strict=True):
            if kept and result.local_weight > 0:
                for key in _trained(branch, session):
                    turns[key] = TurnCredit(float(advantage), result.local_weight)
                    groups[key] = group
    failed = sum(branch.failed for branch in tree.branches)
    return Credit(turns, groups, replace(result.diagnostics, failed_branches=failed))


def session_reward(reward: SessionReward) -> float:
    """One number from a session's parts: those named `*_penalty` are subtracted, all others added.

    nan (unscored) without an answer part, and if any part could not be measured (None).
    """
    if reward.parts.get("answer") is None:
        return float("nan")
    total = 0.0
    for name, value in reward.parts.items():
        if value is None:
            return float("nan")
        total += -value if name.endswith(_PENALTY) else value
    return total


def _rule(rule: str | CreditRule) -> CreditRule:
    if not isinstance(rule, str):
        return rule
    # Imported here: the table in the package's face names the rules, which are built on this module.
    from fairmem.credit import CREDIT_RULES

    if rule not in CREDIT_RULES:
        raise CreditError(f"unknown credit rule {rule!r}; expected one of {', '.join(sorted(CREDIT_RULES))}")
    return CREDIT_RULES[rule]


def _check_forks(tree: EpisodeTree) -> None:
    for branch in tree.branches:
        if branch.kind == "local" and (branch.parent is None or branch.fork_session is None):
            raise CreditError(
                f"conversation {tree.conversation!r}: local branch {branch.id!r} names no parent and fork session"
            )


def _by_session(branch: Branch, sessions: int) -> dict[int, SessionReward]:
    rewards: dict[int, SessionReward] = {}
    for reward in branch.rewards:
        if not 1 <= reward.session <= sessions:
            raise CreditError(
                f"branch {branch.id!r}: reward for session {reward.session}; the tree has sessions 1 to {sessions}"
            )
        if reward.session in rewards:
            raise CreditError(f"branch {branch.id!r}: two rewards for session {reward.session}")
        rewards[reward.session] = reward
    return rewards


def _session_rewards(branches: Sequence[Branch], sessions: int) -> Floats:
    """Combined reward of every branch and session [G, S]; nan where unscored."""
    rewards_G_S = np.full((len(branches), sessions), np.nan)
    for row, branch in enumerate(branches):
        for session, reward in _by_session(branch, sessions).items():
            rewards_G_S[row, session - 1] = session_reward(reward)
    return rewards_G_S


def _trajectory_rewards(branches: Sequence[Branch], sessions: int) -> Floats:
    """One reward per branch [G, 1]: mean over sessions, each weighted by its number of questions.

    Only sessions that every branch with any score has scored count, so that all are judged by the same
    questions. A question with evidence in two sessions counts in both.
    """
    rewards_G_S = _session_rewards(branches, sessions)
    scored_G_S = ~np.isnan(rewards_G_S)
    members_G = scored_G_S.any(axis=1)
    shared_S = scored_G_S[members_G].all(axis=0) if members_G.any() else np.zeros(sessions, dtype=np.bool_)
    column_G_1 = np.full((len(branches), 1), np.nan)
    for row in (int(index) for index in np.flatnonzero(members_G)):
        asked = {s: max(r.questions, 1) for s, r in _by_session(branches[row], sessions).items()}
        weights = [asked[int(s) + 1] for s in np.flatnonzero(shared_S)]
        if weights:
            column_G_1[row, 0] = np.average(rewards_G_S[row, shared_S], weights=weights)
    return column_G_1


def _local_rewards(members: Sequence[Branch], sessions: int) -> Floats:
    """Reward of each rerollout [R] at the last session any of the group was scored after."""
    by_member = [_by_session(branch, sessions) for branch in members]
    last = max((session for rewards in by_member for session in rewards), default=0)
    return np.array([session_reward(r[last]) if last in r else np.nan for r in by_member], dtype=np.float64)


def _trained(branch: Branch, session: int | None = None) -> list[tuple[str, str]]:
    """Keys of the branch's trained turns, of one session or of all."""
    return [
        (branch.id, turn.id)
        for turn in branch.turns
        if turn.role in _TRAINED_ROLES and (session is None or turn.session == session)
    ]


def _global_turns(
    siblings: Sequence[Branch], result: LogoCredit, conversation: str, whole: bool
) -> tuple[dict[tuple[str, str], TurnCredit], dict[tuple[str, str], str]]:
    turns: dict[tuple[str, str], TurnCredit] = {}
    groups: dict[tuple[str, str], str] = {}
    for row, branch in enumerate(siblings):
        for column in np.flatnonzero(result.global_kept_G_S[row]):
            session = None if whole else int(column) + 1
            for key in _trained(branch, session):
                turns[key] = TurnCredit(float(result.global_G_S[row, column]), 1.0)
                groups[key] = f"{conversation}/global/{'all' if whole else session}"
    return turns, groups
