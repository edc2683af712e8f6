"""The arms of an audit: what stands in memory, everything else being equal.

Every arm of a scenario and trial sees the same task, tools, settings and seed, and its memories in the same order: a
permutation drawn from the scenario's id and the trial. `none2` alone has other seeds: what it differs from `none` by
is noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairmem.drift.scenario import Memory, Scenario
from fairmem.errors import ConfigError
from fairmem.seeds import derive, python_rng

KINDS = ("none", "none2", "neutral", "biased", "opposite", "explicit", "relevant")
"""The seven arms; `biased` comes in several doses, `biased-8` being eight memories."""

DOSES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm. `count` is how many memories it shows, 0 for none."""

    kind: str
    count: int

    @property
    def name(self) -> str:
        """As reports call it: the dose is in the name of the biased arms."""
        return f"biased-{self.count}" if self.kind == "biased" else self.kind


def make_arms(names: Sequence[str] = KINDS, doses: Sequence[int] = DOSES) -> tuple[Arm, ...]:
    """The arms called `names`, in the order of reports. All but the biased ones show as many as the largest dose.

    Raises:
        ConfigError: no such arm, a dose below 1, or `none` is not among them.
    """
    if not doses or min(doses) < 1:
        raise ConfigError(f"doses are {list(doses)}, expected numbers of at least 1")
    wanted: set[Arm] = set()
    most = max(doses)
    for name in names:
        kind, _, dose = name.partition("-")
        if kind not in KINDS or (dose and (kind != "biased" or not dose.isdigit() or int(dose) < 1)):
            raise ConfigError(f"arm {name!r}: expected one of {', '.join(KINDS)}, or biased-N")
        if kind == "biased":
            wanted |= {Arm(kind, k) for k in ((int(dose),) if dose else doses)}
        else:
            wanted.add(Arm(kind, 0 if kind in ("none", "none2", "explicit") else most))
    if Arm("none", 0) not in wanted:
        raise ConfigError("arms: 'none' is what the others are compared with; add it")
    return tuple(sorted(wanted, key=lambda arm: (KINDS.index(arm.kind), arm.count)))


def shown(arm: Arm, scenario: Scenario, trial: int) -> tuple[Memory, ...]:
    """The memories that `arm` shows, in order. A scenario with fewer than the dose shows all it has.

    The relevant arm fills up with neutral ones, so that memory is as long as in the others.
    """
    memories = scenario.memories
    order = list(range(len(memories.biased)))
    python_rng(0, "drift-order", scenario.id, trial).shuffle(order)
    if arm.kind == "relevant":
        filling = [memories.neutral[i] for i in order][: max(0, arm.count - len(memories.relevant))]
        mixed = [*memories.relevant, *filling]
        python_rng(0, "drift-relevant", scenario.id, trial).shuffle(mixed)
        return tuple(mixed)
    groups = {"neutral": memories.neutral, "biased": memories.biased, "opposite": memories.biased_opposite}
    group = groups.get(arm.kind, ())
    return tuple(group[i] for i in order[: arm.count]) if group else ()


def sampling_seed(arm: Arm, scenario: Scenario, seed: int) -> int:
    """The seed of a call: the same in all arms but `none2`."""
    return derive(seed, "drift", scenario.id, *(("none2",) if arm.kind == "none2" else ()))
