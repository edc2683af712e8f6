"""From an episode tree to credit per role turn: which turns are compared, and what becomes of the result.

1. Global branches are the rows of the arrays; the credit of (branch, session) goes to every extractor and manager
   turn of that session on that branch. With scope `trajectory` they have one reward each, and its credit goes to the
   turns of every session.
2. Local branches with the same parent and fork session form one group. A local branch earns its reward at
   the last session it was scored after (it may have rolled on past the fork); the credit goes to its turns
   of the fork session only, because the sessions after it were played on memories that already differ. A rule
   that has credit for these too (`tree`) gives a column for each.
3. A branch on which a model call failed is in no group. A session that was not scored is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from fairmem.config import CreditConfig
from fairmem.credit.by_op import token_credit
from fairmem.credit.counterfactual_op import DecisionCredit
from fairmem.credit.diagnostics import CreditDiagnostics
from fairmem.credit.inputs import Critic, Hindsight, learns, read_inputs, sessions_asked, steps_of_branch
from fairmem.credit.logo import LogoCredit
from fairmem.credit.ppo import TrackCredit
from fairmem.credit.rule import CreditRule, Decisions, Need, Rule
from fairmem.credit.table import CREDIT_RULES
from fairmem.errors import CreditError
from fairmem.trace import Branch, EpisodeTree, RoleTurn

Tokens = tuple[float, ...]
"""An advantage for each sampled token of a role turn."""


class TurnCredit(NamedTuple):
    """What one role turn is worth: its advantage, and the weight of its row in the loss (above 0)."""

    advantage: float
    weight: float


class Judged(NamedTuple):
    """What the critic expected of one role turn, and what it should have expected (its return)."""

    value: float
    target: float


@dataclass(frozen=True, slots=True)
class Credit:
    """Credit of the role turns of one tree.

    Attributes:
        turns: (branch id, turn id) -> credit, for the turns that have any. Turns of dropped groups, of
            failed branches and of the answerer are absent.
        groups: (branch id, turn id) -> id of the comparison group, for the same turns.
        diagnostics: Groups formed and dropped.
        judged: (branch id, turn id) -> the critic's value and its target, for the same turns; empty without a critic.
        tokens: (branch id, turn id) -> an advantage per sampled token in place of the turn's, for rules that have them.
    """

    turns: Mapping[tuple[str, str], TurnCredit]
    groups: Mapping[tuple[str, str], str]
    diagnostics: CreditDiagnostics
    judged: Mapping[tuple[str, str], Judged] = field(default_factory=dict[tuple[str, str], Judged])
    tokens: Mapping[tuple[str, str], Tokens] = field(default_factory=dict[tuple[str, str], Tokens])


def assign(
    tree: EpisodeTree,
    rule: str | Rule | CreditRule | None = None,
    settings: CreditConfig | None = None,
    hindsight: Hindsight | None = None,
    critic: Critic | None = None,
) -> Credit:
    """Credit of every extractor and manager turn of `tree`.

    Args:
        tree: With rewards on its branches.
        rule: A key of `CREDIT_RULES`, a rule, or the function of one that needs nothing beyond rewards; None takes
            `settings.rule`.
        settings: Scale, floor, local weight, scope and so on; None takes the defaults.
        hindsight: (branch id, turn id) -> mean log-probability given the outcome, for rules that need it.
        critic: (branch id, turn id) -> value of the state the turn was taken in, for rules that need it.

    Raises:
        CreditError: unknown rule, a reward for a session the tree does not have, two rewards for one
            session, a local branch that does not say where it forked, or a tree that lacks what the rule needs.
    """
    settings = settings or CreditConfig()
    chosen = _rule(settings.rule if rule is None else rule)
    _check_forks(tree)
    siblings = [branch for branch in tree.global_branches if not branch.failed]
    forks = {
        key: members
        for key, branches in tree.local_groups().items()
        if (members := [branch for branch in branches if not branch.failed])
    }
    whole = settings.scope == "trajectory"
    if Need.CRITIC not in chosen.needs:
        critic = None
    answers = sessions_asked(siblings) if settings.value_unit == "session" else 1.0
    given = read_inputs(tree, siblings, forks, chosen.needs, whole, hindsight, critic, answers)
    result = chosen.apply(given, settings)
    if result.decisions is not None and given.decisions is not None:
        return _by_op(tree, siblings, given.decisions, result.decisions)
    if result.tracks_G is not None and critic is not None:
        return _by_turn(tree, siblings, result.tracks_G, critic, result.diagnostics)
    return _by_session(tree, siblings, forks, result, not whole)


def _by_session(
    tree: EpisodeTree,
    siblings: Sequence[Branch],
    forks: Mapping[tuple[str, int], Sequence[Branch]],
    result: LogoCredit,
    by_session: bool,
) -> Credit:
    """Credit of a rule that has it session by session, or for whole trajectories where `by_session` is false."""
    turns: dict[tuple[str, str], TurnCredit] = {}
    groups: dict[tuple[str, str], str] = {}
    for row, branch in enumerate(siblings):
        for column in (int(column) for column in np.flatnonzero(result.global_kept_G_S[row])):
            session = column + 1 if by_session else None
            name = f"{tree.conversation}/{'tree' if result.mixed else 'global'}/{session or 'all'}"
            for turn in _trained(branch, session):
                weight = _chunk_weight(result, row, column, turn.chunk)
                turns[branch.id, turn.id] = TurnCredit(float(result.global_G_S[row, column]), weight)
                groups[branch.id, turn.id] = name
    for index, ((parent, session), members) in enumerate(forks.items()):
        if result.local_weight <= 0:
            break
        kept_R_H = result.local_kept[index].reshape(len(members), -1)
        advantages_R_H = result.local[index].reshape(len(members), -1)
        for row, column in np.argwhere(kept_R_H).tolist():
            branch, played = members[row], session + column
            name = f"tree/{played}" if result.mixed else f"local/{parent}/{played}"
            for turn in _trained(branch, played):
                turns[branch.id, turn.id] = TurnCredit(float(advantages_R_H[row, column]), result.local_weight)
                groups[branch.id, turn.id] = f"{tree.conversation}/{name}"
    failed = sum(branch.failed for branch in tree.branches)
    return Credit(turns, groups, replace(result.diagnostics, failed_branches=failed))


def _by_turn(
    tree: EpisodeTree,
    siblings: Sequence[Branch],
    tracks: Sequence[TrackCredit],
    critic: Critic,
    diagnostics: CreditDiagnostics,
) -> Credit:
    """Credit of a rule that has it turn by turn; the "group" is all of the conversation's turns."""
    turns: dict[tuple[str, str], TurnCredit] = {}
    judged: dict[tuple[str, str], Judged] = {}
    for branch, track in zip(siblings, tracks, strict=True):
        for at, turn in enumerate(steps_of_branch(branch, critic)):
            if track.kept_U[at]:
                key = (branch.id, turn.id)
                turns[key] = TurnCredit(float(track.advantages_U[at]), 1.0)
                judged[key] = Judged(critic[key], float(track.returns_U[at]))
    failed = sum(branch.failed for branch in tree.branches)
    groups = dict.fromkeys(turns, f"{tree.conversation}/turns")
    return Credit(turns, groups, replace(diagnostics, failed_branches=failed), judged)


def _by_op(tree: EpisodeTree, siblings: Sequence[Branch], decisions: Decisions, credit: DecisionCredit) -> Credit:
    """Credit of a rule that has it operation by operation; a "group" is what was compared within one chunk."""
    turns: dict[tuple[str, str], TurnCredit] = {}
    tokens: dict[tuple[str, str], Tokens] = {}
    groups: dict[tuple[str, str], str] = {}
    for row, branch in enumerate(siblings):
        for turn, own, each in token_credit(branch, row, decisions, credit):
            key = (branch.id, turn.id)
            turns[key], tokens[key] = TurnCredit(own, 1.0), each
            groups[key] = f"{tree.conversation}/ops/{turn.session}.{turn.chunk}"
    failed = sum(branch.failed for branch in tree.branches)
    return Credit(turns, groups, replace(credit.diagnostics, failed_branches=failed), tokens=tokens)


def _rule(rule: str | Rule | CreditRule) -> Rule:
    if isinstance(rule, Rule):
        return rule
    if not isinstance(rule, str):
        return Rule(rule)
    if rule not in CREDIT_RULES:
        raise CreditError(f"unknown credit rule {rule!r}; expected one of {', '.join(CREDIT_RULES)}")
    return CREDIT_RULES[rule]


def _check_forks(tree: EpisodeTree) -> None:
    for branch in tree.branches:
        if branch.kind == "local" and (branch.parent is None or branch.fork_session is None):
            raise CreditError(
                f"conversation {tree.conversation!r}: local branch {branch.id!r} names no parent and fork session"
            )


def _trained(branch: Branch, session: int | None) -> list[RoleTurn]:
    """The branch's trained turns, of one session or of all."""
    return [turn for turn in branch.turns if learns(turn) and (session is None or turn.session == session)]


def _chunk_weight(result: LogoCredit, row: int, column: int, chunk: int) -> float:
    weights = result.chunk_weights_G_S_K
    return 1.0 if weights is None else float(weights[row, column, chunk])
