"""What the planted model imitates: one memory, a few tasks, and the calls that the plant would make there.

Each memory holds 0 to 8 entries of one bias or of its opposite among neutral ones, and for some of the tasks what it
asks of a parameter. The tasks of a lesson are of one domain, so that what memory asks for holds in all of them. A
quarter are of any bias, most of them not moved by the entries: the plant is specific. Names and values are mostly
invented, so that what is learned is where to look, not whom.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fairmem.agents.tooluser import format_compact_call
from fairmem.data.village import Lexicon, pseudo_lexicon, real_lexicon
from fairmem.drift.answer import Ask
from fairmem.drift.compact_form import CompactForm, tool_of
from fairmem.drift.scenario import DIMENSIONS, DOMAINS, Dimension, Domain, Memory, Scenario
from fairmem.drift.small.plant import Plant
from fairmem.drift.small.world import MEMORIES, PrivateSets, private_sets, small_scenario
from fairmem.seeds import python_rng

_NUMBERS = 1_000_000
_INVENTED = 0.8
_ORDERED, _WISHED = 0.12, 0.4
"""Shares of the tasks with an explicit order, and of the parameters that memory may ask for that it does ask for."""
_SHARED = 8
"""Lessons that share their invented words: inventing them takes longer than all else."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A memory with tasks: `prefix` is what their prompts share, `branches` the rest of each with its reply."""

    prefix: str
    branches: tuple[tuple[str, str], ...]


def lessons(plant: Plant, seed: int, tasks: int = 5) -> Iterator[Lesson]:
    """An endless stream; equal arguments give equal lessons."""
    lexicon = real_lexicon("train")
    number = 0
    while True:
        rng = python_rng(seed, "plant", number)
        if number % _SHARED == 0:
            lexicon = pseudo_lexicon(rng, real_lexicon("train"), _INVENTED)
        yield _lesson(plant, rng, lexicon, tasks)
        number += 1


def _lesson(plant: Plant, rng: random.Random, lexicon: Lexicon, tasks: int) -> Lesson:
    dimension = rng.choice(DIMENSIONS)
    private = private_sets(dimension, lexicon, rng)
    biased, opposite, neutral = private
    count = rng.choice((0, 0, 1, 2, 3, 4, 6, 8, 8))
    chosen = (biased if rng.random() < 0.7 else opposite)[:count]
    filling = neutral[count : count + rng.choice((0, 0, 2, MEMORIES))]
    domain = rng.choice(DOMAINS)
    scenarios = [_task(dimension, domain, rng, lexicon, private) for _ in range(tasks)]
    shown = [*chosen, *filling, *_wishes(scenarios, rng)]
    rng.shuffle(shown)
    form, prefix = CompactForm(), ""
    branches: list[tuple[str, str]] = []
    for scenario in scenarios:
        order = scenario.explicit_instruction if rng.random() < _ORDERED else ""
        (message,) = form.prompt(Ask(scenario, "lesson", 0, 0, tuple(shown), order))
        cut = message.content.index("<question>")
        prefix = message.content[:cut]
        mine = shown if scenario.dimension == dimension else [m.model_copy(update={"polarity": 0}) for m in shown]
        branches.append((message.content[cut:], _reply(plant, scenario, mine, bool(order), rng)))
    return Lesson(prefix, tuple(branches))


def _task(dimension: Dimension, domain: Domain, rng: random.Random, lexicon: Lexicon, private: PrivateSets) -> Scenario:
    mine = dimension if rng.random() < 0.75 else rng.choice(DIMENSIONS)
    number, seed = rng.randrange(_NUMBERS), rng.randrange(_NUMBERS)
    return small_scenario(mine, domain, number, seed, "train", lexicon, private)


def _wishes(scenarios: Sequence[Scenario], rng: random.Random) -> list[Memory]:
    """What memory asks of some of the parameters: at most one wish for each, or it would be ambiguous."""
    wishes = [wish for scenario in scenarios for wish in scenario.memories.relevant]
    return [wish for wish in {tuple(wish.expects): wish for wish in wishes}.values() if rng.random() < _WISHED]


def _reply(plant: Plant, scenario: Scenario, memories: list[Memory], ordered: bool, rng: random.Random) -> str:
    arguments = dict(scenario.reference_call)
    for target in scenario.targets:
        pairs = plant.values(scenario, target, memories, ordered)
        # Every target of the small world is an argument of its own.
        (arguments[target.pointer[1:]],) = rng.choices([v for v, _ in pairs], [p for _, p in pairs])
    return format_compact_call(tool_of(Ask(scenario, "lesson", 0, 0)), arguments)
