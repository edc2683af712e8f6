"""Small worlds that several tests work out by hand."""

from __future__ import annotations

from fairmem.lab.bench import Bench
from fairmem.lab.exact import ExactValues, solve
from fairmem.lab.policy import Policy, sensible_policy
from fairmem.lab.script import Script, draw_script, script_of
from fairmem.lab.world import Kind, WorldSettings, mixed
from fairmem.seeds import numpy_rng


def plain(sessions: int, statements: int = 1, **changes: float) -> WorldSettings:
    """Settings without crowding, entry cost 0.4, unless changed."""
    fields: dict[str, float] = {"crowding": 0.0, "entry_cost": 0.4} | changes
    return WorldSettings(sessions, statements, **fields)  # pyright: ignore[reportArgumentType]


def fact_then_change() -> Script:
    """Session 1: a fact. Session 2: it changes."""
    return script_of(plain(2), [(Kind.FACT, 0), (Kind.CHANGE, 0)])


def uniform() -> Policy:
    """Every operation with probability 1/4."""
    return sensible_policy(0.0)


def values_of(sessions: int, interaction: float = 0.5, seed: int = 0) -> ExactValues:
    """Exact values of the default policy on a mixed conversation."""
    return solve(draw_script(mixed(sessions, interaction), numpy_rng(seed, "test")), sensible_policy(1.5))


def bench_of(sessions: int, estimates: int = 3, rollouts: int = 4, seed: int = 0) -> Bench:
    """A bench that can pay for so many rollouts (four statements a session, 20 tokens each)."""
    return Bench(values_of(sessions, seed=seed), estimates, rollouts * sessions * 80, seed, ("test", sessions))
