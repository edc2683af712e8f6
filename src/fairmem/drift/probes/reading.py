"""What is read of a model on each scenario: states of the residual stream at two points, in six arms.

Read points: `prompt`, the last token of the prompt, and `value`, the token before a watched value with the call given
up to there, averaged over the scenario's parameters. Arms: `explicit`, the bias as an order; `plain`, an order that
asks for nothing; `biased`, `opposite` and `neutral` memories; `again`, the neutral memories of another scenario, for
the noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.drift.answer import Ask
from fairmem.drift.arms import Arm, shown
from fairmem.drift.deflection import scored_values
from fairmem.drift.local import form_of, shared_length
from fairmem.drift.probes.residual import hidden_at
from fairmem.drift.scenario import Scenario, Target
from fairmem.errors import ModelError
from fairmem.policy.hf import HFPolicy

ARMS = ("explicit", "plain", "biased", "opposite", "neutral", "again")
READS = ("prompt", "value")

PLAIN_ORDER = "Do this in the usual way and set each value as the task and the policy suggest to you."
"""The order of the arm `plain`, as long as an explicit one and without a direction."""


@dataclass(frozen=True, slots=True)
class States:
    """`of[arm]` is [S, R, L, W], in the order of `scenarios` and `READS`."""

    scenarios: tuple[Scenario, ...]
    of: Mapping[str, np.ndarray]

    @property
    def biases(self) -> list[str]:
        """The bias of each scenario."""
        return [scenario.dimension for scenario in self.scenarios]

    @property
    def domains(self) -> list[str]:
        """The domain of each scenario."""
        return [scenario.domain for scenario in self.scenarios]


def ask_of(arm: str, scenario: Scenario, other: Scenario, memories: int) -> Ask:
    """The trial of `scenario` in `arm`; `other` lends its neutral memories to `again`."""
    if arm == "none":
        return Ask(scenario, arm, 0, 0)
    if arm in ("explicit", "plain"):
        order = scenario.explicit_instruction if arm == "explicit" else PLAIN_ORDER
        return Ask(scenario, arm, 0, 0, instruction=order)
    source = other if arm == "again" else scenario
    return Ask(scenario, arm, 0, 0, shown(Arm("neutral" if arm == "again" else arm, memories), source, 0))


def beginning(policy: HFPolicy, ask: Ask, target: Target) -> tuple[int, ...]:
    """Token ids of the prompt and the call up to the token before the value of `target`.

    Raises:
        ModelError: prompt and call do not fit the context.
    """
    form = form_of(policy)
    prompt = form.prompt(ask)
    rows = [
        policy.token_ids(prompt, form.call(ask, target.pointer, value)) for value in scored_values(ask.scenario, target)
    ]
    longest = max(map(len, rows))
    if policy.context is not None and longest > policy.context:
        raise ModelError(
            f"{policy.name}: {ask.scenario.id} has {longest} tokens and the context is {policy.context}; show fewer "
            "memories, or leave it out"
        )
    return rows[0][: shared_length(rows)]


def read_states(policy: HFPolicy, scenarios: Sequence[Scenario], memories: int) -> States:
    """The states of `policy` on every scenario in every arm; up to four passes each."""
    found: dict[str, list[np.ndarray]] = {arm: [] for arm in ARMS}
    for i, scenario in enumerate(scenarios):
        other = scenarios[(i + 1) % len(scenarios)]
        for arm in ARMS:
            found[arm].append(_states(policy, ask_of(arm, scenario, other, memories)))
    return States(tuple(scenarios), {arm: np.stack(states) for arm, states in found.items()})


def _states(policy: HFPolicy, ask: Ask) -> np.ndarray:
    """[R, L, W] of one trial."""
    last = len(policy.token_ids(form_of(policy).prompt(ask))) - 1
    pairs: list[np.ndarray] = []
    for target in ask.scenario.targets:
        ids = beginning(policy, ask, target)
        pairs.append(hidden_at(policy.model, ids, (min(last, len(ids) - 1), len(ids) - 1)))
    return np.stack(pairs).mean(axis=0).transpose(1, 0, 2)
