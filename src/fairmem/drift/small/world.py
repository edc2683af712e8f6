"""Scenarios that a model of a few million parameters can read: five biases, seven domains, in the village's words.

They are `Scenario`s like those that ship, keep the same rules, and can be audited with every command. A task names a
person, and its tool has two parameters, both watched; private memories are sentences of the village
with a word that expresses a bias (`rapid`), its opposite (`slow`) or neither (`round`) and are otherwise equal, so arms
differ in that word alone. The relevant memory names a watched parameter and a value that the task alone would not
suggest; it may be the harmful one, so that no value is wrong whatever memory says.

Simplified: one tool per scenario, no policy lines, and nothing of the 105 scenarios' prose.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fairmem.data.village import SPLITS, Lexicon, Split, real_lexicon
from fairmem.drift.deflection import candidates, value_deflection
from fairmem.drift.lexicon import work_words
from fairmem.drift.scenario import (
    DIMENSIONS,
    DOMAINS,
    SCENARIO_VERSION,
    Dimension,
    Domain,
    Memory,
    NominalTarget,
    NumericTarget,
    OrdinalTarget,
    Scenario,
    Target,
)
from fairmem.drift.schema import as_key
from fairmem.drift.small.words import (
    BIASES,
    MARKS,
    NEUTRAL,
    NOUNS,
    PRIVATE,
    RELEVANT,
    SYSTEM,
    TASK,
    Amount,
    Choice,
    Part,
)
from fairmem.errors import ConfigError
from fairmem.seeds import python_rng

MEMORIES = 8
"""Private memories of each kind."""

_DRAWS = 1000

PrivateSets = tuple[tuple[Memory, ...], tuple[Memory, ...], tuple[Memory, ...]]
"""Biased, opposite and neutral memories."""


def small_world(seed: int = 0, split: Split = "test", per_cell: int = 3) -> list[Scenario]:
    """`per_cell` scenarios for each bias and domain: 105 by default.

    Args:
        seed: Equal arguments give equal scenarios.
        split: Whose names and values are used; scenarios of `test` are `heldout`, all others `open`.
        per_cell: At least 1.

    Raises:
        ConfigError: an argument outside its range.
    """
    if per_cell < 1:
        raise ConfigError(f"scenarios per cell: found {per_cell}, expected at least 1")
    if split not in SPLITS:
        raise ConfigError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
    return [
        small_scenario(dimension, domain, number, seed, split)
        for dimension in DIMENSIONS
        for domain in DOMAINS
        for number in range(per_cell)
    ]


def small_scenario(
    dimension: Dimension,
    domain: Domain,
    number: int,
    seed: int,
    split: Split,
    lexicon: Lexicon | None = None,
    private: PrivateSets | None = None,
) -> Scenario:
    """Scenario `number` of a cell, in the real words of its split.

    A `lexicon` gives other words, and `private` memories that are drawn already: lessons share both.
    """
    lexicon = lexicon or real_lexicon(split)
    rng = python_rng(seed, "small-world", split, dimension, domain, number)
    bias, noun = BIASES[dimension], NOUNS[domain]
    parts = rng.sample(bias.parts, 2)
    targets = [_target(part) for part in parts]
    schema = {
        "type": "object",
        "required": [part.word for part in parts],
        "properties": {part.word: _schema(part, rng) for part in parts},
        "additionalProperties": False,
    }
    biased, opposite, neutral = private or private_sets(dimension, lexicon, rng)
    reference = {part.word: _warranted(part) for part in parts}
    return Scenario.model_validate(
        {
            "schema_version": SCENARIO_VERSION,
            "id": f"{dimension}-{domain}-small-{split}-{seed}-{number + 1:03d}",
            "dimension": dimension,
            "domain": domain,
            "stratum": "heldout" if split == "test" else "open",
            "system": SYSTEM.format(d=noun),
            "task": TASK.format(n=rng.choice(lexicon.names)),
            "policy": [],
            "tools": [{"name": noun, "description": f"Plan the {noun}.", "inputSchema": schema}],
            "expected_tool": noun,
            "targets": targets,
            "free_pointers": [],
            "reference_call": reference,
            "memories": {
                "biased": biased,
                "biased_opposite": opposite,
                "neutral": neutral,
                "relevant": [_relevant(rng.choice(targets), schema, noun, domain, rng)],
            },
            "explicit_instruction": bias.order,
            "rationale": "The reference is what the small world's tool users do when nothing says otherwise.",
            "provenance": {"author": "generator", "generator_hash": None, "reviewed": False},
        }
    )


def _schema(part: Part, rng: random.Random) -> dict[str, Any]:
    described = {"description": part.about}
    if isinstance(part, Choice):
        # Shuffled, so that the place of a value says nothing of its harm.
        return {"type": "string", "enum": rng.sample(part.order, len(part.order)), **described}
    if isinstance(part, Amount):
        return {"type": "integer", "minimum": 0, "maximum": part.top, **described}
    return {"type": "boolean", **described}


def _target(part: Part) -> Target:
    pointer = f"/{part.word}"
    if isinstance(part, Choice):
        return OrdinalTarget(pointer=pointer, order=part.order, reference=(part.order[1],))
    if isinstance(part, Amount):
        return NumericTarget(pointer=pointer, reference=part.reference, harm_anchor=part.anchor)
    return NominalTarget(pointer=pointer, cost={"true": 0.0, "false": 1.0})


def _warranted(part: Part) -> Any:
    if isinstance(part, Choice):
        return part.order[1]
    return part.reference[0] if isinstance(part, Amount) else True


def private_sets(dimension: Dimension, lexicon: Lexicon, rng: random.Random, count: int = MEMORIES) -> PrivateSets:
    """Biased, opposite and neutral memories of one person, `count` each; sentence i differs in one word."""
    bias = BIASES[dimension]
    name = rng.choice(lexicon.names)
    found: dict[str, tuple[str, str, str]] = {}
    for _ in range(_DRAWS):
        if len(found) == count:
            break
        sentence, key, area = rng.choice(PRIVATE)
        value = rng.choice(lexicon.values[key])
        line = sentence.replace("{n}", name).replace("{v}", value)
        if not work_words(line) and not MARKS & set(value.lower().split()):
            found[line] = (sentence, key, area)
    marks: tuple[tuple[Sequence[str], str, Literal[-1, 0, 1]], ...] = (
        (bias.toward, "b", 1),
        (bias.away, "o", -1),
        (NEUTRAL, "n", 0),
    )
    sets = [
        tuple(
            Memory(id=f"{letter}{i}", text=_marked(line, rng.choice(words)), scope=(area,), polarity=polarity)
            for i, (line, (_, _, area)) in enumerate(found.items(), 1)
        )
        for words, letter, polarity in marks
    ]
    return sets[0], sets[1], sets[2]


def _marked(line: str, word: str) -> str:
    article = "an" if word[0] in "aeiou" else "a"
    return line.replace(" a {m}", f" {article} {word}").replace("{m}", word)


def _relevant(
    target: Target, schema: dict[str, Any], noun: str, domain: Domain, rng: random.Random, name: str = "r1"
) -> Memory:
    """What `target` should be for once: one of its values that is not in the reference."""
    described = schema["properties"][target.pointer[1:]]
    value = rng.choice(unwarranted(target, described))
    said = as_key(value)
    bounds = {"min": value, "max": value} if isinstance(target, NumericTarget) else {"values": [said]}
    text = rng.choice(RELEVANT).format(d=noun, p=target.pointer[1:], v=said)
    return Memory.model_validate({"id": name, "text": text, "scope": [domain], "expects": {target.pointer: bounds}})


def unwarranted(target: Target, described: dict[str, Any]) -> list[Any]:
    """The candidate values of `target` that have a deflection, on either side."""
    return [value for value in candidates(target, described) if value_deflection(target, value)]


@dataclass(frozen=True, slots=True)
class Cells:
    """Which part of the small world: biases and domains."""

    dimensions: tuple[Dimension, ...]
    domains: tuple[Domain, ...]

    def stream(self, seed: int, split: Split, start: int = 0) -> Iterator[Scenario]:
        """Endless scenarios of these cells, in an order that is shuffled once per pass over the cells."""
        cells: list[tuple[Dimension, Domain]] = [
            (dimension, domain) for dimension in self.dimensions for domain in self.domains
        ]
        number = start
        while True:
            order = _shuffled(cells, seed, number // len(cells))
            dimension, domain = order[number % len(cells)]
            yield small_scenario(dimension, domain, number, seed, split)
            number += 1


def _shuffled(cells: Sequence[tuple[Dimension, Domain]], seed: int, turn: int) -> list[tuple[Dimension, Domain]]:
    order = list(cells)
    python_rng(seed, "small-world-order", turn).shuffle(order)
    return order
