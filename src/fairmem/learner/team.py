"""The learners of a run, and which of them learns from whose rows.

One learner for all roles is the usual case. With a model per role each has a learner of its own, and where only one
role is trained the rows of the other are left out: they were played by weights that stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from fairmem.config import LearnerConfig
from fairmem.credit import Critic, steps_of_branch
from fairmem.errors import CheckpointError
from fairmem.learner.learner import Learner
from fairmem.learner.rows import Row, bare_row, check_rows
from fairmem.trace import EpisodeTree, Role

_SUMS = ("updates", "skipped_updates", "tokens", "sampled_tokens", "rows", "row_tokens", "seconds")
_APART = ("loss", "kl", "grad_norm", "explained_variance", "rows")
"""Metrics that are told per learner too, where there are several."""


class Team:
    """Learners by name, with the interface of one.

    Args:
        members: Name -> learner; at least one.
        roles: Role -> name of the member that learns from its rows. Rows of a role that is not in it are left out.
    """

    def __init__(self, members: Mapping[str, Learner], roles: Mapping[Role, str]) -> None:
        self.members = dict(members)
        self._roles = dict(roles)

    def step(self, rows: Sequence[Row]) -> dict[str, float]:
        """Learn from one step's rows, each member from its own.

        Returns:
            The metrics of `Learner.step`. Of several members: sums of counts and seconds, means by rows of
            everything else, and a few per member, as `manager_loss`.

        Raises:
            CreditError: the rows break an invariant (`check_rows`, over all rows); no weight was touched.
        """
        # Checked together: left alone with one role's rows, a group may hold turns of a single rollout.
        imitates = any(learner.imitates for learner in self.members.values())
        corrects = all(learner.config.correction in ("truncate", "mask") for learner in self.members.values())
        check_rows(rows, logprobs=not imitates, compared=not imitates, one_version=not corrects)
        parts = {
            name: learner.step([row for row in rows if self._roles.get(row.role) == name], checked=True)
            for name, learner in self.members.items()
        }
        return next(iter(parts.values())) if len(parts) == 1 else _joined(parts)

    def critic_values(self, trees: Sequence[EpisodeTree]) -> list[Critic]:
        """(branch id, turn id) -> value, per tree, of the state of every global turn that is learned from.

        Turns of a role that is not trained have none: they are part of the environment.

        Raises:
            ConfigError: the members have no critic.
        """
        found: list[dict[tuple[str, str], float]] = [{} for _ in trees]
        work: dict[str, list[tuple[int, tuple[str, str], Row]]] = {name: [] for name in self.members}
        for index, tree in enumerate(trees):
            for branch in (branch for branch in tree.global_branches if not branch.failed):
                for turn in steps_of_branch(branch):
                    key, owner = (branch.id, turn.id), self._roles.get(turn.role)
                    if owner is not None:
                        work[owner].append((index, key, bare_row(tree, branch, turn)))
        for name, waiting in work.items():
            values = self.members[name].critic_values([row for _, _, row in waiting])
            for (index, key, _), value in zip(waiting, values, strict=True):
                found[index][key] = value
        return [dict(known) for known in found]

    def restart(
        self, weights: Mapping[str, Mapping[str, Tensor]] | None, config: LearnerConfig, reset_reference: bool
    ) -> None:
        """Begin a stage with every member: see `Learner.restart`; `weights` are those of `weights()`.

        Raises:
            CheckpointError: they are of other members, or of other models.
        """
        if weights is not None and weights.keys() != self.members.keys():
            raise CheckpointError(f"weights of {_names(weights)}, expected those of {_names(self.members)}")
        for name, learner in self.members.items():
            learner.restart(None if weights is None else weights[name], config, reset_reference)

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """Name -> copies on the CPU of everything the member trains."""
        return {name: learner.weights() for name, learner in self.members.items()}

    def state_dict(self) -> dict[str, Any]:
        """Name -> state of the member."""
        return {name: learner.state_dict() for name, learner in self.members.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises:
            CheckpointError: other members than these, or of other models.
        """
        if state.keys() != self.members.keys():
            raise CheckpointError(f"the checkpoint is of {_names(state)}, this run trains {_names(self.members)}")
        for name, learner in self.members.items():
            learner.load_state_dict(state[name])


def _names(members: Mapping[str, object]) -> str:
    return ", ".join(sorted(members)) or "nothing"


def _joined(parts: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Metrics of several members as one."""
    total = {name: sum(part[name] for part in parts.values()) for name in _SUMS}
    joined = dict(total)
    for name in dict.fromkeys(name for part in parts.values() for name in part):
        held = [part for part in parts.values() if name in part and part["rows"]]
        rows = sum(part["rows"] for part in held)
        if name not in _SUMS and rows:
            joined[name] = sum(part[name] * part["rows"] for part in held) / rows
    joined["lr"] = max(part["lr"] for part in parts.values())
    joined["tokens_per_second"] = total["tokens"] / total["seconds"]
    joined |= {f"{who}_{name}": part[name] for who, part in parts.items() for name in _APART if name in part}
    return joined
