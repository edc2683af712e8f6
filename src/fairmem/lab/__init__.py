"""Exact credit on small memory worlds: bias, noise and cost of every credit rule.

numpy only, seconds on one core; what it finds is in docs/guide/lab.md.

    world.py        kinds of statements, what an operation does to memory, settings of a world
    script.py       one conversation of it
    policy.py       a tabular softmax policy
    exact.py        exact return, advantages and policy gradient, by dynamic programming
    play.py         sessions played on many memories side by side, and their quizzes
    rollouts.py     whole rollouts, and rerollouts that fork from them
    bench.py        the budget of an estimate, and what it is spent on
    batched.py      the rules of fairmem.credit over many groups at once
    estimators.py   the table of rules: whole.py (whole rollouts), local.py (LoGo), branching.py (trees, continuations)
    measures.py     bias, variance, signal-to-noise, signs, with intervals
    study.py        all cells as one JSON; tables.py and plots.py show it

To add a rule: a function of a `Bench` that gives a `Sample`, and a row in `estimators.py`.
"""

from fairmem.lab.bench import Bench, Credited, Sample
from fairmem.lab.estimators import RULES, Estimator
from fairmem.lab.exact import ExactValues, solve
from fairmem.lab.local import LocalPlan, logo_sample
from fairmem.lab.policy import Policy, sensible_policy
from fairmem.lab.script import Script, draw_script, script_of
from fairmem.lab.study import LabSettings, load, run_lab, save
from fairmem.lab.world import WORLDS, WorldSettings

__all__ = [
    "Bench",
    "Credited",
    "Estimator",
    "ExactValues",
    "LabSettings",
    "LocalPlan",
    "Policy",
    "RULES",
    "Sample",
    "Script",
    "WORLDS",
    "WorldSettings",
    "draw_script",
    "load",
    "logo_sample",
    "run_lab",
    "save",
    "script_of",
    "sensible_policy",
    "solve",
]
