"""A tabular softmax policy over what a statement looks like: its score function is known in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fairmem.lab.world import FEATURES, Floats, Ints, Kind, Op, Relation


@dataclass(frozen=True, slots=True)
class Policy:
    """pi(op | feature) = softmax(logits[feature])[op].

    Attributes:
        logits_F_A: The parameters, shape [FEATURES, 4].
    """

    logits_F_A: Floats

    @property
    def probabilities_F_A(self) -> Floats:
        """pi(op | feature)."""
        exponents = np.exp(self.logits_F_A - self.logits_F_A.max(axis=1, keepdims=True))
        return exponents / exponents.sum(axis=1, keepdims=True)

    def gradients(self, features: npt.ArrayLike, ops: npt.ArrayLike, weights: Floats, groups: Ints, n: int) -> Floats:
        """Sum of weight * d log pi(op | feature) / d logits of the decisions of each of `n` groups.

        The derivative with respect to logits[f, b] is 1[f = feature] (1[b = op] - pi(b | f)).

        Args:
            features: Any shape.
            ops: Of that shape.
            weights: Of that shape.
            groups: Of that shape, 0 to n - 1: which sum a decision belongs to.
            n: Number of groups.

        Returns:
            Shape [n, FEATURES, 4].
        """
        cell = np.asarray(features).astype(np.int64) * len(Op) + np.asarray(ops)
        place = np.broadcast_to(groups, cell.shape) * (FEATURES * len(Op)) + cell
        sums = np.bincount(place.ravel(), weights=weights.ravel(), minlength=n * FEATURES * len(Op))
        sums_n_F_A = sums.reshape(n, FEATURES, len(Op))
        return sums_n_F_A - sums_n_F_A.sum(axis=2, keepdims=True) * self.probabilities_F_A


def sensible_policy(skill: float) -> Policy:
    """A beginner: it prefers the obvious operation by `skill` nats over each of the others.

    Obvious is: write down what is said and not in memory, leave what is there, update what is contradicted, and
    ignore noise. 0 is the uniform policy. Whether the obvious is right is for the rewards to say.
    """
    logits = np.zeros((FEATURES, len(Op)))
    obvious = {Relation.NONE: Op.ADD, Relation.AGREES: Op.NOOP, Relation.CONTRADICTS: Op.UPDATE}
    for kind in Kind:
        for relation in Relation:
            op = Op.NOOP if kind == Kind.NOISE else obvious[relation]
            logits[kind * len(Relation) + relation, op] = skill
    return Policy(logits)
