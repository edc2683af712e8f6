"""From an episode tree to the arrays a credit rule works on.

The one file of this package, with `by_op` and `assign`, that reads a trace. Branches on which a model call failed are
left out by the caller; everything else that is missing becomes nan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fairmem.credit.by_op import read_decisions
from fairmem.credit.group import Floats
from fairmem.credit.parts import combined
from fairmem.credit.ppo import Track
from fairmem.credit.rule import Forest, Need, RuleInput
from fairmem.errors import CreditError
from fairmem.trace import Branch, EpisodeTree, RoleTurn, SessionReward

LocalGroups = Mapping[tuple[str, int], Sequence[Branch]]
"""(parent branch, forked session) -> the rerollouts that did not fail."""
Critic = Mapping[tuple[str, str], float]
"""(branch id, turn id) -> the critic's value of the state the turn was taken in."""
Hindsight = Mapping[tuple[str, str], float]
"""(branch id, turn id) -> mean log-probability of the turn's tokens given the outcome, in nats."""

_WRITING = ("INSERT", "UPDATE")
_WRITTEN = ("applied", "merged_duplicate")


def session_reward(reward: SessionReward, answers: float = 1.0) -> float:
    """One number from a session's parts: those named `*_penalty` are subtracted, all others added.

    nan (unscored) without an answer part, and if any part could not be measured (None). `answers` is the weight of the
    answer part.
    """
    return float("nan") if reward.parts.get("answer") is None else combined(reward.parts, answers)


def learns(turn: RoleTurn) -> bool:
    """Whether a turn can be trained: an answerer that is frozen leaves answers and no turns, one that learns both."""
    return turn.role != "answerer" or bool(turn.ids)


def sessions_asked(branches: Sequence[Branch]) -> float:
    """How many times more a question weighs in the reward of its session than in the mean over all questions.

    This is the number of sessions that have questions, where each has its own; less where questions have evidence in
    several; 1 where every session earns from all (`reward.spread = "all"`).
    """
    asked = [len(branch.quiz) for branch in branches if branch.quiz]
    each = [reward.questions for branch in branches for reward in branch.rewards if reward.questions]
    return max(asked) / (sum(each) / len(each)) if asked and each else 1.0


def read_inputs(
    tree: EpisodeTree,
    siblings: Sequence[Branch],
    forks: LocalGroups,
    needs: frozenset[Need],
    whole: bool,
    hindsight: Hindsight | None = None,
    critic: Critic | None = None,
    answers: float = 1.0,
) -> RuleInput:
    """The arrays of one tree.

    Args:
        tree: The tree.
        siblings: Its global branches that did not fail: the rows of the arrays.
        forks: Its local groups.
        needs: Which of the optional fields to fill.
        whole: One reward per rollout in place of one per session.
        hindsight: For the need of that name.
        critic: For the need of that name.
        answers: Weight of the answer part in the values of memories and operations (`credit.value_unit`).

    Raises:
        CreditError: a reward for a session the tree does not have, two rewards for one session, or a need that
            this tree cannot give.
    """
    trajectory_G = _trajectory_rewards(siblings, tree.sessions)
    values: Floats | None = None
    if Need.STATE_VALUES in needs:
        values = _state_values(siblings, tree, answers)
    elif Need.CONTINUATIONS in needs:
        values = _continued_values(siblings, forks, tree, answers)
    if Need.HINDSIGHT_LOGPROB in needs and hindsight is None:
        raise CreditError(f"conversation {tree.conversation!r}: the rule needs log-probabilities given the outcome")
    if Need.CRITIC in needs and critic is None:
        raise CreditError(f"conversation {tree.conversation!r}: the rule needs the values of a critic")
    return RuleInput(
        rewards_G_S=trajectory_G[:, None] if whole else _session_rewards(siblings, tree.sessions),
        local=tuple((session, _local_rewards(members, tree.sessions)) for (_, session), members in forks.items()),
        trajectory_G=trajectory_G,
        anchors_G_S=_anchors(siblings, tree.sessions) if Need.ANCHORS in needs else None,
        values_G_S1=values,
        used_G_S_K=_used(siblings, tree.sessions) if Need.PROVENANCE in needs else None,
        hindsight_G_S=_hindsight(siblings, tree.sessions, hindsight) if hindsight is not None else None,
        forest=_forest(siblings, forks, tree) if Need.TREE in needs else None,
        tracks_G=tuple(_track(b, tree, critic) for b in siblings) if critic is not None else None,
        decisions=read_decisions(siblings, tree.conversation, answers) if Need.OP_VALUES in needs else None,
    )


def steps_of_branch(branch: Branch, critic: Critic | None = None) -> list[RoleTurn]:
    """The trained turns of `branch` in order of time: by session and chunk, who extracts before who manages.

    With a `critic` only those it values: a role that is frozen is part of the environment, and takes no steps.
    """
    return sorted(
        (turn for turn in branch.turns if learns(turn) and (critic is None or (branch.id, turn.id) in critic)),
        key=lambda turn: (turn.session, turn.chunk, turn.role != "extractor"),
    )


def _track(branch: Branch, tree: EpisodeTree, critic: Critic) -> Track:
    """The valued turns of `branch` as steps.

    What a session earned falls to the last step up to its end (nothing decided since could have changed it); a session
    that no question is about earns 0.
    """
    turns = steps_of_branch(branch, critic)
    if branch.turns and not turns:
        raise CreditError(f"branch {branch.id!r}: the critic has a value for none of its turns")
    rewards_U = np.zeros(len(turns))
    for session, reward in _by_session(branch, tree.sessions).items():
        before = [at for at, turn in enumerate(turns) if turn.session <= session]
        if before and (reward.questions or reward.parts.get("answer") is not None):
            rewards_U[before[-1]] += session_reward(reward)
    return Track(rewards_U, np.array([critic[branch.id, turn.id] for turn in turns]))


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
    """One reward per branch [G]: mean over sessions, each weighted by its number of questions.

    Only sessions that every branch with any score has scored count, so that all are judged by the same
    questions. A question with evidence in two sessions counts in both.
    """
    rewards_G_S = _session_rewards(branches, sessions)
    scored_G_S = ~np.isnan(rewards_G_S)
    members_G = scored_G_S.any(axis=1)
    shared_S = scored_G_S[members_G].all(axis=0) if members_G.any() else np.zeros(sessions, dtype=np.bool_)
    rewards_G = np.full(len(branches), np.nan)
    for row in (int(index) for index in np.flatnonzero(members_G)):
        asked = {s: max(r.questions, 1) for s, r in _by_session(branches[row], sessions).items()}
        weights = [asked[int(s) + 1] for s in np.flatnonzero(shared_S)]
        if weights:
            rewards_G[row] = np.average(rewards_G_S[row, shared_S], weights=weights)
    return rewards_G


def _local_rewards(members: Sequence[Branch], sessions: int, answers: float = 1.0) -> Floats:
    """Reward of each rerollout [R] at the last session any of the group was scored after."""
    by_member = [_by_session(branch, sessions) for branch in members]
    last = max((session for rewards in by_member for session in rewards), default=0)
    return np.array([session_reward(r[last], answers) if last in r else np.nan for r in by_member], dtype=np.float64)


def _anchors(branches: Sequence[Branch], sessions: int) -> npt.NDArray[np.str_]:
    """Hash of the memory before every session [G, S]: what the last turn before it left, else the start's."""
    anchors: list[list[str]] = []
    for branch in branches:
        after = {turn.session: turn.bank_after for turn in branch.turns if turn.bank_after}
        row, bank = list[str](), branch.start_bank
        for session in range(1, sessions + 1):
            row.append(bank)
            bank = after.get(session, bank)
        anchors.append(row)
    return np.array(anchors, dtype=np.str_).reshape(len(branches), sessions)


def _used(branches: Sequence[Branch], sessions: int) -> Floats:
    """How often the final quiz was shown an entry that a chunk was the last to write [G, S, K]."""
    chunks = max((turn.chunk for branch in branches for turn in branch.turns), default=0) + 1
    used_G_S_K = np.zeros((len(branches), sessions, chunks))
    for row, branch in enumerate(branches):
        writer: dict[int, tuple[int, int]] = {}
        for turn in branch.turns:
            for op in turn.ops:
                if op.entry is not None and op.op in _WRITING and op.outcome in _WRITTEN:
                    writer[op.entry] = (turn.session - 1, turn.chunk)
        for item in branch.quiz:
            for place in (writer[entry] for entry in item.shown if entry in writer):
                used_G_S_K[(row, *place)] += 1
    return used_G_S_K


def _state_values(branches: Sequence[Branch], tree: EpisodeTree, answers: float) -> Floats:
    """Value of the memory after every session [G, S + 1], column 0 before the first; nan where it has no score."""
    values_G_S1 = np.full((len(branches), tree.sessions + 1), np.nan)
    for row, branch in enumerate(branches):
        if len(branch.values) < 2:
            raise CreditError(
                f"conversation {tree.conversation!r}: branch {branch.id!r} has no values of its memories on the way; "
                "roll out with rollout.state_values = true"
            )
        for value in branch.values:
            values_G_S1[row, value.session] = session_reward(value, answers)
    return values_G_S1


def _final_value(branch: Branch, answers: float = 1.0) -> float:
    """What the final memory of a global branch earns over its whole quiz; nan if unscored."""
    return session_reward(branch.values[-1], answers) if branch.values else float("nan")


def _continued_values(branches: Sequence[Branch], forks: LocalGroups, tree: EpisodeTree, answers: float) -> Floats:
    """As `_state_values`, each the mean final reward of the rerollouts from that memory."""
    values_G_S1 = np.full((len(branches), tree.sessions + 1), np.nan)
    rows = {branch.id: row for row, branch in enumerate(branches)}
    for (parent, session), members in forks.items():
        _check_ends(members, tree)
        rewards = _local_rewards(members, tree.sessions, answers)
        if parent in rows and not np.isnan(rewards).all():
            values_G_S1[rows[parent], session - 1] = np.nanmean(rewards)
    values_G_S1[:, -1] = [_final_value(branch, answers) for branch in branches]
    return values_G_S1


def _hindsight(branches: Sequence[Branch], sessions: int, hindsight: Hindsight) -> Floats:
    """Mean over the tokens of a session's turns [G, S]; nan where a turn of it was not scored."""
    logp_G_S = np.full((len(branches), sessions), np.nan)
    for row, branch in enumerate(branches):
        for session in range(1, sessions + 1):
            turns = [turn for turn in branch.turns if turn.session == session and learns(turn) and turn.ids]
            found = [hindsight.get((branch.id, turn.id), np.nan) for turn in turns]
            if turns:
                logp_G_S[row, session - 1] = np.average(found, weights=[len(turn.ids) for turn in turns])
    return logp_G_S


def _forest(branches: Sequence[Branch], forks: LocalGroups, tree: EpisodeTree) -> Forest:
    """One node per session of a rollout; rerollouts hang on the node before their fork."""
    parents: list[int] = []
    leaves: dict[int, float] = {}

    def chain(parent: int, sessions: int, reward: float) -> list[int]:
        """Nodes of `sessions` sessions in a row below `parent`, the last of them a leaf."""
        nodes: list[int] = []
        for _ in range(sessions):
            parents.append(parent)
            parent = len(parents) - 1
            nodes.append(parent)
        if nodes:
            leaves[parent] = reward
        return nodes

    paths = {branch.id: chain(-1, tree.sessions, _final_value(branch)) for branch in branches}
    rows = [paths[branch.id] for branch in branches]
    local: list[npt.NDArray[np.int64]] = []
    for (parent, session), members in forks.items():
        _check_ends(members, tree)
        # A parent that failed later has no leaf of its own; what it shares with its rerollouts is still a path.
        path = paths.setdefault(parent, [])
        if len(path) < session - 1:
            path += chain(path[-1] if path else -1, session - 1 - len(path), np.nan)
        start = path[session - 2] if session > 1 else -1
        rewards = _local_rewards(members, tree.sessions)
        chains = [chain(start, tree.sessions - session + 1, reward) for reward in rewards.tolist()]
        local.append(np.array(chains, dtype=np.int64))
    inner = set(parents)
    rewards = [reward for node, reward in sorted(leaves.items()) if node not in inner]
    return Forest(
        np.array(parents, dtype=np.int64),
        np.array(rewards, dtype=np.float64),
        np.array(rows, dtype=np.int64).reshape(len(branches), tree.sessions),
        tuple(local),
    )


def _check_ends(members: Sequence[Branch], tree: EpisodeTree) -> None:
    """Rewards of rerollouts that stop before the end are of other questions; a reused session is no rerollout."""
    for branch in members:
        if branch.reused:
            raise CreditError(
                f"conversation {tree.conversation!r}: {branch.id!r} is the rollout's own session; set "
                "rollout.local_reuse = false"
            )
        if branch.rewards and branch.rewards[-1].session != tree.sessions:
            raise CreditError(
                f"conversation {tree.conversation!r}: rerollout {branch.id!r} ends after session "
                f"{branch.rewards[-1].session} of {tree.sessions}; raise rollout.local_horizon"
            )
