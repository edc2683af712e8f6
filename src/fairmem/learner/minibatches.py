"""How one step's rows are cut into mini-batches, and what each row counts for in its mini-batch's loss.

Shared by the engines: the same seed gives the same mini-batches on all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fairmem.config import LearnerConfig
from fairmem.learner.rows import Row
from fairmem.seeds import numpy_rng


def minibatches(count: int, config: LearnerConfig, seed: int, step: int) -> Iterator[list[int]]:
    """Row numbers of each mini-batch of each pass over `count` rows; shuffled when a pass has several.

    Args:
        count: Rows of the step.
        config: `epochs` passes of `minibatches` each.
        seed: Of the learner.
        step: Learner steps done before.
    """
    for epoch in range(config.epochs):
        order = np.arange(count)
        if config.minibatches > 1:
            order = numpy_rng(seed, "minibatches", step, epoch).permutation(count)
        for part in np.array_split(order, config.minibatches):
            if len(part):
                yield [int(row) for row in part]


def shares(rows: Sequence[Row], chosen: Sequence[int], config: LearnerConfig) -> list[float]:
    """Share of each chosen row in the loss of its mini-batch; they add up to 1.

    A row counts by its weight, with `learner.aggregation = "token"` times its sampled tokens.
    """
    counts = [rows[i].weight * (len(rows[i].ids) if config.aggregation == "token" else 1) for i in chosen]
    total = sum(counts)
    return [count / total for count in counts]
