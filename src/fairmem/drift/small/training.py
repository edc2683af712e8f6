"""One training step of a tool user: memories with and without their biased entries in, rows to learn from out.

A pair is one scenario and one memory state: 1 to 8 biased entries among neutral ones, in a share of the pairs with the
scenario's relevant entry too, in another share under an explicit order to act as the bias does. Both sides are the same
task and, member by member, the same seeds; what differs is whether the biased entries are there. Rewards are those of
`fairmem.rewards.drift`; advantages are relative to the pair, or to the side (`drift.baseline`). Nothing here knows how
rows are learned from.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairmem.config import Recipe
from fairmem.credit.group import group_centred
from fairmem.drift.answer import Ask, Outcome
from fairmem.drift.compact_form import CompactForm
from fairmem.drift.deflection import call_deflection
from fairmem.drift.expectations import success
from fairmem.drift.scenario import Memory, Scenario
from fairmem.drift.small.world import MEMORIES, Cells
from fairmem.learner import Row
from fairmem.policy import Policy, Prompt, Reply, Sample, SampleRequest
from fairmem.rewards import CallOutcome, DriftReward, pair_rewards
from fairmem.seeds import derive, python_rng
from fairmem.trace import StopReason


@dataclass(frozen=True, slots=True)
class Pair:
    """One memory state with its task: `shown` as it is, `kept` without the biased entries; `ordered` if a bias is."""

    scenario: Scenario
    shown: tuple[Memory, ...]
    kept: tuple[Memory, ...]
    ordered: bool = False

    @property
    def asked(self) -> bool:
        """Whether memory holds something that bears on the task."""
        return any(memory.expects for memory in self.kept)


@dataclass(frozen=True, slots=True)
class Collected:
    """What a step learns from: rows, and its metrics.

    `drift` is mean D with the biased entries minus mean D without, orders aside; `used` the share of relevant wishes
    that were done in spite of them, `used_without` without them; `obeyed` how far orders were obeyed; `valid` the share
    of usable calls.
    """

    rows: list[Row]
    metrics: dict[str, float | int | None]
    sampled_tokens: int


def draw_pairs(recipe: Recipe, step: int) -> list[Pair]:
    """The pairs of a step (from 0): a function of the recipe and the step alone."""
    cells = Cells(recipe.drift.biases, recipe.drift.domains)
    count = recipe.data.conversations_per_step
    seed = derive(recipe.seed, "drift-pairs")
    stream = cells.stream(seed, "train", step * count)
    return [
        _pair(next(stream), recipe.drift.relevant, recipe.drift.ordered, python_rng(seed, "memory", step, index))
        for index in range(count)
    ]


def _pair(scenario: Scenario, relevant: float, ordered: float, rng: random.Random) -> Pair:
    memories = scenario.memories
    biased = rng.sample(memories.biased, rng.randint(1, len(memories.biased)))
    filling = rng.sample(memories.neutral, rng.randint(0, MEMORIES - len(biased)))
    shown = [*biased, *filling, *(memories.relevant if rng.random() < relevant else ())]
    rng.shuffle(shown)
    order = rng.random() < ordered
    if order:  # what a relevant entry asks for may be against it
        shown = [memory for memory in shown if not memory.expects]
    return Pair(scenario, tuple(shown), tuple(memory for memory in shown if memory.polarity == 0), order)


def collect_pairs(policy: Policy, recipe: Recipe, step: int) -> Collected:
    """Sample the calls of `step`, reward them, and give them credit.

    Args:
        policy: With the weights that the step begins with.
        recipe: With the overrides of the step's stage.
        step: Its number, from 0, and that of the weights.
    """
    pairs = draw_pairs(recipe, step)
    size, drift = recipe.rollout.global_group, recipe.drift
    weights = DriftReward(drift.penalty, drift.use, drift.margin, drift.obey)
    seeds = [[derive(recipe.seed, "drift-call", step, i, j) for j in range(size)] for i in range(len(pairs))]
    prompts = [CompactForm().prompt(_ask(pair, side)) for pair in pairs for side in (pair.shown, pair.kept)]
    requests = [_request(prompt, recipe, seed) for i, prompt in enumerate(prompts) for seed in seeds[i // 2]]
    replies = policy.sample(requests)
    rows: list[Row] = []
    played: list[_Played] = []
    for index, pair in enumerate(pairs):
        start = 2 * index * size
        sides = (replies[start : start + size], replies[start + size : start + 2 * size])
        one = _play(pair, sides, weights)
        played.append(one)
        rows += _rows(one, f"{step}/{index}", recipe, step)
    tokens = sum(len(reply.ids) for reply in replies if isinstance(reply, Sample))
    return Collected(rows, _metrics(played, rows), tokens)


def _ask(pair: Pair, memories: tuple[Memory, ...]) -> Ask:
    return Ask(pair.scenario, "pair", 0, 0, memories, pair.scenario.explicit_instruction if pair.ordered else "")


def _request(prompt: Prompt, recipe: Recipe, seed: int) -> SampleRequest:
    return SampleRequest(prompt, recipe.agents.manager_max_tokens, recipe.rollout.temperature, seed, "tooluser")


@dataclass(frozen=True, slots=True)
class _Played:
    """A pair with what became of it; index 0 is the side with the biased entries, 1 the other."""

    pair: Pair
    replies: tuple[Sequence[Reply], Sequence[Reply]]
    outcomes: tuple[list[CallOutcome | None], list[CallOutcome | None]]
    rewards: tuple[list[float], list[float]]


def _play(pair: Pair, replies: tuple[Sequence[Reply], Sequence[Reply]], weights: DriftReward) -> _Played:
    outcomes = ([_outcome(pair, reply) for reply in replies[0]], [_outcome(pair, reply) for reply in replies[1]])
    return _Played(pair, replies, outcomes, pair_rewards(*outcomes, weights))


def _outcome(pair: Pair, reply: Reply) -> CallOutcome | None:
    if not isinstance(reply, Sample):
        return None
    cut = reply.stop is StopReason.LENGTH
    answer = CompactForm().read(_ask(pair, pair.kept), reply.text, truncated=cut)
    # A call that is complete but goes on to the limit is usable in an audit; here it is not what is wanted.
    if answer.outcome is not Outcome.OK or answer.arguments is None or cut:
        return CallOutcome(False, None, 0.0 if pair.asked else None, 0.0 if pair.ordered else None)
    used = success(pair.scenario, answer.arguments, None) if pair.asked else None
    deflection = call_deflection(pair.scenario, answer.arguments)
    return CallOutcome(True, deflection, used, max(0.0, deflection or 0.0) if pair.ordered else None)


def _rows(played: _Played, name: str, recipe: Recipe, step: int) -> list[Row]:
    """The members of both sides that have credit, in order."""
    credit = recipe.credit
    if recipe.drift.baseline == "pair":
        both = group_centred([*played.rewards[0], *played.rewards[1]], credit.scale, credit.floor)
        size = len(played.rewards[0])
        found = [(both.advantages[:size], both.kept[:size], name), (both.advantages[size:], both.kept[size:], name)]
    else:
        sides = [group_centred(rewards, credit.scale, credit.floor) for rewards in played.rewards]
        found = [(one.advantages, one.kept, f"{name}/{side}") for side, one in enumerate(sides)]
    rows: list[Row] = []
    for side, (advantages, kept, group) in enumerate(found):
        for member, reply in enumerate(played.replies[side]):
            if kept[member] and isinstance(reply, Sample):
                rows.append(
                    Row(
                        prompt_ids=reply.prompt_ids,
                        ids=reply.ids,
                        logprobs=reply.logprobs,
                        advantage=float(advantages[member]),
                        weight=1.0,
                        group=group,
                        kind="local",
                        role="tooluser",
                        conversation=played.pair.scenario.id,
                        rollout=f"{name}/{side}/{member}",
                        session=0,
                        chunk=0,
                        policy_version=step,
                    )
                )
    return rows


def _metrics(played: Sequence[_Played], rows: Sequence[Row]) -> dict[str, float | int | None]:
    def side(number: int) -> list[CallOutcome]:
        return [call for one in played for call in one.outcomes[number] if call is not None]

    def deflections(number: int) -> float | None:
        calls = [call for call in side(number) if call.obeyed is None]
        return _mean([call.deflection for call in calls if call.deflection is not None])

    def used(number: int) -> float | None:
        return _mean([call.used for call in side(number) if call.used is not None])

    def reward(number: int) -> float | None:
        return _mean([r for one in played for r in one.rewards[number] if not math.isnan(r)])

    with_bias, without = deflections(0), deflections(1)
    return {
        "reward": reward(0),
        "reward_without": reward(1),
        "drift": None if with_bias is None or without is None else with_bias - without,
        "deflection_without": without,
        "used": used(0),
        "used_without": used(1),
        "obeyed": _mean([call.obeyed for call in (*side(0), *side(1)) if call.obeyed is not None]),
        "valid": _mean([float(call.valid) for call in (*side(0), *side(1))]),
        "failed_calls": sum(call is None for one in played for calls in one.outcomes for call in calls),
        "pairs": len(played),
        "pairs_dropped": len(played) - len({row.rollout.rsplit("/", 2)[0] for row in rows}),
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
