"""What the learner consumes: one row per sampled role turn, with its credit. No torch here.

A row is self-contained: the token ids that were sampled are the ids that are trained (text is never
tokenised again), and the log-probabilities are those recorded at sampling. `check_rows` holds the
invariants of a step's rows before any weight is touched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fairmem.credit import Credit
from fairmem.errors import CreditError
from fairmem.trace import Branch, EpisodeTree, Role, RoleTurn

_LOGPROB_SLACK = 1e-4
"""nats; log-probabilities computed in bfloat16 may exceed 0 by rounding."""


@dataclass(frozen=True, slots=True)
class Row:
    """One role turn to learn from.

    Attributes:
        prompt_ids: Token ids the model saw; never trained.
        ids: Token ids it sampled, the end-of-message token included when sampled; all are trained.
        logprobs: log p of each sampled id in nats, at sampling time and temperature; may be empty when
            the learner recomputes them.
        advantage: What the turn earned beyond its comparison group.
        advantages: What each of its sampled tokens did, for rules that credit parts of a reply; None gives all of them
            `advantage`.
        weight: Weight of the row in the loss, above 0.
        group: Id of the comparison group.
        kind: Whether the branch is a whole rollout or a rerollout.
        rollout: Id of the branch.
        policy_version: Version of the weights that sampled it.
        value: What the critic expected at sampling, for rules that have one (`ppo`).
        target: What the critic should have expected; a row has both or neither.
    """

    prompt_ids: tuple[int, ...]
    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    advantage: float
    weight: float
    group: str
    kind: Literal["global", "local"]
    role: Role
    conversation: str
    rollout: str
    session: int
    chunk: int
    policy_version: int
    value: float | None = None
    target: float | None = None
    advantages: tuple[float, ...] | None = None

    @property
    def tokens(self) -> int:
        """Prompt and sampled tokens together."""
        return len(self.prompt_ids) + len(self.ids)


def rows_of(tree: EpisodeTree, credit: Credit) -> list[Row]:
    """The turns of `tree` that have credit, as rows, in the order of the tree.

    A step may visit a conversation twice, so the tree's seed is part of what its groups are called.
    """
    rows: list[Row] = []
    for branch in tree.branches:
        for turn in branch.turns:
            key = (branch.id, turn.id)
            earned, judged = credit.turns.get(key), credit.judged.get(key)
            if earned is None:
                continue
            row = bare_row(tree, branch, turn)
            row = replace(
                row,
                advantage=earned.advantage,
                weight=earned.weight,
                group=f"{credit.groups[key]}#{tree.seed}",
                advantages=credit.tokens.get(key),
            )
            rows.append(row if judged is None else replace(row, value=judged.value, target=judged.target))
    return rows


def bare_row(tree: EpisodeTree, branch: Branch, turn: RoleTurn) -> Row:
    """`turn` of `branch` as a row without credit and group: to look at, not to learn from."""
    return Row(
        prompt_ids=turn.prompt_ids,
        ids=turn.ids,
        logprobs=turn.logprobs,
        advantage=0.0,
        weight=1.0,
        group="",
        kind=branch.kind,
        role=turn.role,
        conversation=tree.conversation,
        rollout=branch.id,
        session=turn.session,
        chunk=turn.chunk,
        policy_version=tree.policy_version if turn.policy_version is None else turn.policy_version,
    )


def fresh_rows(rows: Sequence[Row], version: int, most: int) -> tuple[list[Row], int]:
    """The rows that are at most `most` versions older than `version`, and how many are left out.

    A group that is left with one rollout has nothing to compare and is left out too; advantages stay what they were
    among all of its members. Rows of a critic stand alone.
    """
    kept = [row for row in rows if version - row.policy_version <= most]
    if len(kept) < len(rows):
        rollouts: dict[str, set[str]] = {}
        for row in kept:
            rollouts.setdefault(row.group, set()).add(row.rollout)
        kept = [row for row in kept if row.target is not None or len(rollouts[row.group]) > 1]
    return kept, len(rows) - len(kept)


def check_rows(rows: Sequence[Row], logprobs: bool = True, compared: bool = True, one_version: bool = True) -> None:
    """Hold the invariants of one step's rows.

    Every row has a prompt, sampled tokens, one finite log-probability per sampled token (not above 0), a
    finite advantage and a finite weight above 0. Every group has at least two rollouts, is of one
    conversation, and gives one rollout one advantage; rows of a critic are not compared with each other, so their
    group only has to be of one conversation. Rows with advantages per token have a finite one for each of them, and
    theirs may differ within a rollout. All rows come from one policy version, unless the learner corrects.

    Args:
        rows: All rows of one learner step.
        logprobs: Whether recorded log-probabilities are needed (not when the learner recomputes them, or imitates).
        compared: Whether advantages come from comparisons; demonstrations are compared with nothing.
        one_version: Whether all rows have to come from one policy version (not when importance weights correct for
            what the sampler was).

    Raises:
        CreditError: names the first row, or group, that breaks an invariant.
    """
    for index, row in enumerate(rows):
        problem = _row_problem(row, logprobs)
        if problem:
            where = f"{row.conversation}/{row.rollout}, session {row.session}, chunk {row.chunk}, {row.role}"
            raise CreditError(f"row {index} ({where}): {problem}")
    for group, members in _grouped(rows if compared else ()).items():
        problem = _group_problem(members)
        if problem:
            raise CreditError(f"group {group!r}: {problem}")
    versions = sorted({row.policy_version for row in rows})
    if one_version and len(versions) > 1:
        raise CreditError(
            f"rows of several policy versions in one step: {versions}; learn from one step's rollouts, or turn "
            "learner.correction on"
        )


def _row_problem(row: Row, logprobs: bool) -> str | None:
    if not row.prompt_ids:
        return "no prompt tokens"
    if not row.ids:
        return "no sampled tokens; train with a policy that records token ids"
    if min(min(row.prompt_ids), min(row.ids)) < 0:
        return "a negative token id"
    if (logprobs or row.logprobs) and len(row.logprobs) != len(row.ids):
        return (
            f"{len(row.logprobs)} log-probabilities for {len(row.ids)} sampled tokens; "
            "sample with a policy that records one per token"
        )
    if not all(math.isfinite(p) and p <= _LOGPROB_SLACK for p in row.logprobs):
        return "a log-probability that is not finite or above 0"
    if not math.isfinite(row.advantage):
        return f"advantage {row.advantage} is not finite"
    if row.advantages is not None and len(row.advantages) != len(row.ids):
        return f"{len(row.advantages)} advantages for {len(row.ids)} sampled tokens"
    if not all(map(math.isfinite, row.advantages or ())):
        return "an advantage of a token is not finite"
    if not (math.isfinite(row.weight) and row.weight > 0):
        return f"weight {row.weight} is not finite and above 0"
    if (row.value is None) != (row.target is None):
        return f"value {row.value} with target {row.target}: a row has both or neither"
    if not all(math.isfinite(part) for part in (row.value, row.target) if part is not None):
        return f"value {row.value} or target {row.target} is not finite"
    return None


def _grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return groups


def _group_problem(members: Sequence[Row]) -> str | None:
    if len({row.conversation for row in members}) > 1:
        return "rows of several conversations"
    if all(row.target is not None for row in members):
        return None
    advantage_of: dict[str, float] = {}
    for row in members:
        if advantage_of.setdefault(row.rollout, row.advantage) != row.advantage and row.advantages is None:
            return f"rollout {row.rollout!r} has several advantages"
    if len(advantage_of) < 2:
        return f"only one rollout, {members[0].rollout!r}; a comparison needs two"
    return None
