from __future__ import annotations

import math

import numpy as np
import pytest

from fairmem.credit import grpo, tree
from fairmem.errors import CreditError

PARENTS = [-1, -1, 0, 0, 1]
"""The tree of the module's text: nodes 2, 3 below 0 and 4 below 1."""


def test_a_node_is_worth_the_mean_of_its_leaves_and_compared_with_its_siblings() -> None:
    credit = tree([0.0, 0.5, 0.75], PARENTS, "mean")
    assert credit.values_N.tolist() == [0.25, 0.75, 0.0, 0.5, 0.75]
    # Below the root: 0.25 and 0.75. Below 0: 0 and 0.5. Node 4 is an only child.
    assert credit.advantages_N.tolist() == [-0.25, 0.25, -0.25, 0.25, 0.0]
    assert credit.kept_N.tolist() == [True, True, True, True, False]
    assert credit.diagnostics.local_groups.formed == 2 and credit.diagnostics.global_groups.formed == 0


def test_the_inter_term_compares_all_nodes_of_one_depth() -> None:
    credit = tree([0.0, 0.5, 1.0], PARENTS, "mean", inter=0.5)
    # Values 0.25, 1, 0, 0.5, 1. Depth 1: mean 0.625, siblings too: 1.5 times -0.375 and 0.375.
    # Depth 2: mean 0.5; halves of -0.5, 0, 0.5; siblings 2 and 3 add -0.25 and 0.25.
    assert credit.advantages_N.tolist() == [-0.5625, 0.5625, -0.5, 0.25, 0.25]
    assert credit.diagnostics.global_groups.formed == 2


def test_leaves_weigh_the_same_however_deep_they_are() -> None:
    # Node 0 has the leaf 1 and, below 2, the leaves 3 and 4: a mean over children would be (0.75 + 0) / 2.
    assert tree([0.75, 0.0, 0.0], [-1, 0, 0, 2, 2]).values_N.tolist() == [0.25, 0.75, 0.0, 0.0, 0.0]


def test_a_missing_leaf_is_left_out_of_every_mean() -> None:
    credit = tree([math.nan, 0.5, 0.75], PARENTS, "mean")
    assert credit.values_N[0] == 0.5 and np.isnan(credit.values_N[2])
    assert credit.advantages_N.tolist() == [-0.125, 0.125, 0.0, 0.0, 0.0]
    assert credit.diagnostics.local_groups.too_few_scored == 1


def test_leaves_below_the_root_are_one_grpo_group() -> None:
    rewards = [0.1, 0.7, 0.4]
    assert (tree(rewards, [-1, -1, -1]).advantages_N == grpo([[r] for r in rewards]).advantages_G_S[:, 0]).all()


def test_a_chain_has_nobody_to_be_compared_with() -> None:
    credit = tree([1.0], [-1, 0, 1], inter=1.0)
    assert credit.values_N.tolist() == [1.0] * 3 and not credit.kept_N.any()


def test_an_empty_tree_is_empty() -> None:
    assert tree([], []).advantages_N.shape == (0,)


@pytest.mark.parametrize(
    ("rewards", "parents", "says"),
    [
        ([0.0, 1.0], PARENTS, "the tree has 3 leaves, found 2 rewards"),
        ([0.0], [1, -1], r"parents\[0\] is 1; a parent comes before its child"),
        ([0.0], [-2], r"parents\[0\] is -2"),
        ([0.0], [0.5], "parents must be integers"),
        ([0.0], [[-1]], r"found int64 of shape \(1, 1\)"),
    ],
)
def test_what_is_no_tree_is_refused(rewards: list[float], parents: list[int], says: str) -> None:
    with pytest.raises(CreditError, match=says):
        tree(rewards, parents)
