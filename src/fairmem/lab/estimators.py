"""Every credit rule of the lab: a budget of sampled tokens in, credited decisions out.

A row of `RULES` says what the rule is called, what it compares, and which function of `fairmem.credit` it stands for
(`tests/unit/lab/test_estimators.py` compares the two on sampled rollouts). To add one: a function of a `Bench`, a row.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fairmem.errors import ConfigError
from fairmem.lab import branching, whole
from fairmem.lab.bench import Bench, Sample
from fairmem.lab.local import LocalPlan, logo_sample
from fairmem.lab.rollouts import Ending


@dataclass(frozen=True, slots=True)
class Estimator:
    """A credit rule with its way to spend a budget.

    Attributes:
        name: As on the command line.
        about: What it compares, in one line.
        sample: Makes B estimates.
        stands_for: The function of `fairmem.credit` whose credit it is; "" if it is not one that can be trained with.
    """

    name: str
    about: str
    sample: Callable[[Bench], Sample]
    stands_for: str = ""


def _local(name: str, plan: LocalPlan) -> Callable[[Bench], Sample]:
    return lambda bench: logo_sample(bench, plan, name)


def _logo(name: str, about: str, plan: LocalPlan) -> Estimator:
    return Estimator(name, about, _local(name, plan), "logo")


_HALF = LocalPlan(share=1 / 2)
_ALONE = LocalPlan(share=7 / 8, global_weight=0.0)
"""Learns from rerollouts alone; two whole rollouts are left, for memories to fork."""
_TO_THE_END = Ending(None)

_ESTIMATORS = (
    Estimator("oracle", "the exact advantage of every decision, which nobody has", whole.oracle),
    Estimator(
        "grpo",
        "whole rollouts; a session earns the final score of the questions about it",
        whole.sessions("std"),
        "grpo",
    ),
    Estimator("dr_grpo", "grpo without division by the deviation", whole.sessions("mean"), "dr_grpo"),
    Estimator(
        "rloo", "dr_grpo against the mean of the others: the same up to its length", whole.sessions("loo"), "rloo"
    ),
    Estimator("broadcast", "whole rollouts; every session earns the final score", whole.broadcast("std"), "broadcast"),
    Estimator(
        "broadcast_loo", "broadcast against the mean of the others: unbiased", whole.broadcast("loo"), "broadcast"
    ),
    Estimator("per_turn", "grpo; a session earns what the later ones earn, too", whole.per_turn, "per_turn"),
    _logo(
        "logo", "grpo, and a ninth of the tokens for rerollouts in fours, quizzed right after the session", LocalPlan()
    ),
    _logo(
        "logo_trajectory",
        "logo, whose whole rollouts are credited as by broadcast",
        LocalPlan(trajectory=True),
    ),
    _logo(
        "logo_half_trajectory",
        "logo_trajectory with half of the tokens for rerollouts",
        replace(_HALF, trajectory=True),
    ),
    _logo("logo_half", "logo with half of the tokens for rerollouts", _HALF),
    _logo("logo_half_pairs", "logo_half with rerollouts in pairs", replace(_HALF, group=2)),
    _logo("logo_half_eights", "logo_half with rerollouts in eights", replace(_HALF, group=8)),
    _logo("logo_half_mean", "logo_half without division by the deviation", replace(_HALF, scale="mean")),
    _logo(
        "logo_half_session",
        "logo_half, quizzed about the forked session only",
        replace(_HALF, ending=Ending(scope="session")),
    ),
    _logo(
        "logo_half_both",
        "logo_half, quizzed about the forked session and about all else, half of the weight each",
        replace(_HALF, ending=Ending(scope="both")),
    ),
    _logo("logo_half_reuse", "logo_half, with the source's own session in the group", replace(_HALF, reuse=True)),
    _logo(
        "logo_half_hindsight",
        "logo_half, quizzed right after the session with the questions of the end",
        replace(_HALF, ending=Ending(scope="end")),
    ),
    Estimator(
        "shrunk_logo",
        "logo_half_session without division, its two kinds weighed by their measured variances",
        _local("shrunk_logo", replace(_HALF, ending=Ending(scope="session"), scale="mean", shrunk=True)),
        "shrunk_logo",
    ),
    _logo("local", "rerollouts alone, quizzed right after the session", _ALONE),
    _logo("local_4", "rerollouts alone, quizzed four sessions later", replace(_ALONE, ending=Ending(4))),
    _logo("local_end", "rerollouts alone, played to the end", replace(_ALONE, ending=_TO_THE_END)),
    _logo(
        "local_end_mean",
        "local_end without division by the deviation: unbiased",
        replace(_ALONE, ending=_TO_THE_END, scale="mean"),
    ),
    _logo(
        "local_end_common",
        "local_end_mean with common random numbers among siblings after the fork: unbiased",
        replace(_ALONE, ending=replace(_TO_THE_END, common=True), scale="mean"),
    ),
    _logo(
        "local_hindsight",
        "rerollouts alone, quizzed right after the session with the questions of the end",
        replace(_ALONE, ending=Ending(scope="end")),
    ),
    Estimator("tree", "paths that branch twice; a node earns the mean of its leaves", branching.tree, "tree"),
    Estimator("gigpo", "broadcast, and rollouts compared where their memories are equal", whole.gigpo, "gigpo"),
    Estimator("ppo", "whole rollouts; GAE (lambda 0.95) of a linear critic", whole.ppo, "gae"),
    Estimator(
        "vine",
        "whole rollouts; a session earns what it changed in the score on the questions of the end",
        whole.vine,
        "vine",
    ),
    Estimator(
        "vine_continue", "the same, valued by fours of rollouts that go on to the end", branching.vine_continue, "vine"
    ),
    Estimator("counterfactual", "vine against what the others changed", whole.counterfactual("std"), "counterfactual"),
    Estimator(
        "counterfactual_mean",
        "counterfactual without division by the deviation",
        whole.counterfactual("mean"),
        "counterfactual",
    ),
    Estimator(
        "counterfactual_op",
        "counterfactual of every operation by itself",
        whole.counterfactual_op,
        "counterfactual_op",
    ),
    Estimator(
        "shrunk_counterfactual",
        "counterfactual_mean, mixed with the change up to the end by their measured variances",
        whole.shrunk_counterfactual,
        "shrunk_counterfactual",
    ),
    Estimator(
        "membuilder", "grpo; what the questions were answered from weighs four times", whole.membuilder, "membuilder"
    ),
    Estimator("hcapo", "broadcast, and how likely a session is once the outcome is known", whole.hcapo, "hcapo"),
)

RULES: dict[str, Estimator] = {estimator.name: estimator for estimator in _ESTIMATORS}
"""Name -> estimator, in the order of the tables."""


def chosen(names: Sequence[str]) -> list[Estimator]:
    """The estimators of these names, in the order of the table.

    Raises:
        ConfigError: an unknown name; says the nearest ones.
    """
    for name in names:
        if name not in RULES:
            near = difflib.get_close_matches(name, RULES, n=3, cutoff=0.4) or list(RULES)
            raise ConfigError(f"no rule '{name}' in the lab; nearest: {', '.join(near)}")
    return [estimator for name, estimator in RULES.items() if name in names]
