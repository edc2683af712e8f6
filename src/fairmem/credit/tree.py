r"""Tree credit: a node is worth the mean of the leaves below it, and is compared with its siblings.

Source: TreeMem (arXiv 2605.04811), where the reward is known at the leaves only and the credit of an inner node is
the mean over its descendant leaves; Tree-GRPO (2509.21240) and Mem-T (2601.23014), which add an advantage within the
tree and one between trees:

    V[n] = mean of R over the leaves below n (of a leaf, its own reward)
    A[n] = (V[n] - mean V of n and its siblings) / scale
         + inter * (V[n] - mean V of all nodes as deep as n) / scale

The array form: nodes are numbered 0 .. N - 1 so that a parent comes before its children; `parents[n]` is the number
of n's parent, or -1 for a node that hangs on the root. The root itself is no node (nobody decided it). Leaves are the
nodes that are nobody's parent, in increasing order of their number.

            -1             parents        = [-1, -1, 0, 0, 1]
           /  \            leaves         = nodes 2, 3, 4
          0    1           rewards_leaves = [R2, R3, R4]
         / \   |           V[0] = (R2 + R3) / 2, V[1] = V[4] = R4
        2   3  4
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fairmem.credit.diagnostics import CreditDiagnostics, GroupCounts
from fairmem.credit.group import DEFAULT_FLOOR, Bools, Floats, GroupCredit, Scale, checked_rewards, group_centred
from fairmem.errors import CreditError


@dataclass(frozen=True, slots=True)
class TreeCredit:
    """Credit of the N nodes of a tree.

    Attributes:
        values_N: Mean reward of the scored leaves below; nan where there is none.
        advantages_N: 0 where not kept.
        kept_N: Which of them are credit.
        diagnostics: Sibling groups counted as local, groups of one depth as global.
    """

    values_N: Floats
    advantages_N: Floats
    kept_N: Bools
    diagnostics: CreditDiagnostics


def tree(
    rewards_leaves: npt.ArrayLike,
    parents: npt.ArrayLike,
    scale: Scale = "std",
    floor: float = DEFAULT_FLOOR,
    inter: float = 0.0,
) -> TreeCredit:
    """Leaf averages, centred among siblings and, with weight `inter`, among all nodes of one depth.

    Args:
        rewards_leaves: One reward per leaf, by increasing node number; `nan` where missing.
        parents: Shape [N], integers; see the module's text.
        scale: See `fairmem.credit.group`; used within both kinds of group.
        floor: Smallest deviation of the values of a group that is kept.
        inter: Weight of the comparison between trees, 0 or more.

    Raises:
        CreditError: wrong ranks, a parent that does not come before its child, as many rewards as there are leaves
            not given, infinite rewards, unknown scale, or a weight out of range.
    """
    rewards = checked_rewards(rewards_leaves, "rewards_leaves", ndim=1)
    parents_N = _checked_parents(parents)
    if not 0 <= inter < float("inf"):
        raise CreditError(f"inter must be 0 or more and finite, found {inter}")
    nodes = range(len(parents_N))
    leaves = sorted(set(nodes) - set(parents_N))
    if len(leaves) != len(rewards):
        raise CreditError(f"the tree has {len(leaves)} leaves, found {len(rewards)} rewards")
    values = _leaf_means(dict(zip(leaves, rewards.tolist(), strict=True)), parents_N)
    depths = [0] * len(parents_N)
    for node in nodes:
        depths[node] = depths[parents_N[node]] + 1 if parents_N[node] >= 0 else 0
    advantages, kept = np.zeros(len(parents_N)), np.zeros(len(parents_N), dtype=np.bool_)

    def compared(keys: list[int], weight: float) -> list[GroupCredit]:
        groups: list[GroupCredit] = []
        for members in _members(keys):
            group = group_centred(values[members], scale, floor)
            advantages[members] += weight * group.advantages
            kept[members] |= group.kept
            groups.append(group)
        return groups

    siblings = compared(parents_N, 1.0)
    level = compared(depths, inter) if inter else []
    counts = CreditDiagnostics(GroupCounts.of(level), GroupCounts.of(siblings))
    return TreeCredit(values, advantages, kept, counts)


def _checked_parents(parents: npt.ArrayLike) -> list[int]:
    array = np.asarray(parents)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise CreditError(f"parents must be integers of shape [N], found {array.dtype} of shape {array.shape}")
    found = [int(parent) for parent in array]
    for node, parent in enumerate(found):
        if not -1 <= parent < node:
            raise CreditError(f"parents[{node}] is {parent}; a parent comes before its child, -1 is the root")
    return found


def _leaf_means(rewards: dict[int, float], parents: list[int]) -> Floats:
    below: list[list[float]] = [[] for _ in parents]
    for node in reversed(range(len(parents))):
        if node in rewards and not math.isnan(rewards[node]):
            below[node].append(rewards[node])
        if parents[node] >= 0:
            below[parents[node]] += below[node]
    return np.array([math.fsum(scores) / len(scores) if scores else math.nan for scores in below], dtype=np.float64)


def _members(keys: Iterable[int]) -> list[list[int]]:
    """Nodes by equal key, groups of two or more: an only child is compared with nobody."""
    by_key: dict[int, list[int]] = {}
    for node, key in enumerate(keys):
        by_key.setdefault(key, []).append(node)
    return [members for members in by_key.values() if len(members) > 1]
