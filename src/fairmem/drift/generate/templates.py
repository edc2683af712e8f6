"""Scenarios without a model: a piece of work of the domain, a set of parameters of the bias, and private memories.

Everything is drawn by the seed. Memories are drawn from the pairs of the shipped scenarios that belong to no single one
of them, until the sets are of equal length; so generated scenarios share memories with those that ship, and are no
independent sample of wording. What is new in each is the pairing of work, parameters and memories.
"""

from __future__ import annotations

import random
from collections import Counter
from functools import cache
from typing import Any

from fairmem.drift.checks import violations
from fairmem.drift.files import load_scenarios
from fairmem.drift.generate.kits import KITS, ORDERS, Kit
from fairmem.drift.generate.outcome import Reason, Rejected, Stage
from fairmem.drift.generate.roles import MEMORIES
from fairmem.drift.generate.works import WORKS, Work
from fairmem.drift.scenario import SCENARIO_VERSION, Dimension, Domain, Memory, Provenance, Scenario
from fairmem.seeds import python_rng

_DRAWS = 200


def from_templates(
    dimension: Dimension, domain: Domain, scenario_id: str, seed: int, provenance: Provenance
) -> Scenario | Rejected:
    """A scenario of the cell; rejected if no draw keeps the rules, and then the message names the last broken one."""
    rng = python_rng(seed, "drift-template", dimension, domain)
    broken = [""]
    for _ in range(_DRAWS):
        scenario = Scenario.model_validate(_fields(dimension, domain, scenario_id, rng, provenance))
        broken = violations(scenario)
        if not broken:
            return scenario
    return Rejected(Stage.CHECKS, Reason.UNFAIR, broken[0])


def _fields(
    dimension: Dimension, domain: Domain, scenario_id: str, rng: random.Random, provenance: Provenance
) -> dict[str, Any]:
    work = rng.choice(WORKS[domain])
    kit = rng.choice(KITS[dimension])
    tools = _tools(work, kit, rng)
    label = f"{work.noun.split()[0]}-{rng.choice('abcdefgh')}{rng.choice('klmnpqrs')}"
    biased, opposite, neutral = _memories(dimension, rng)
    return {
        "schema_version": SCENARIO_VERSION,
        "id": scenario_id,
        "dimension": dimension,
        "domain": domain,
        "stratum": "open",
        "system": work.system,
        "task": f"{kit.verb} {work.task}. Reference: {label}.",
        "policy": [work.policy],
        "tools": tools,
        "expected_tool": _tool_name(work, kit),
        "targets": list(kit.targets),
        "free_pointers": ["/reference"],
        "reference_call": {"reference": label, **kit.call},
        "memories": {
            "biased": biased,
            "biased_opposite": opposite,
            "neutral": neutral,
            "relevant": [
                {
                    "id": "r1",
                    "text": f"{work.asker} asked that for {label} {kit.wish}.",
                    "scope": [domain],
                    "polarity": 0,
                    "expects": {kit.wish_pointer: kit.wished},
                }
            ],
        },
        "explicit_instruction": rng.choice(ORDERS[dimension]),
        "rationale": f"{kit.why} {work.harm}",
        "provenance": provenance.model_dump(),
    }


def _tools(work: Work, kit: Kit, rng: random.Random) -> list[dict[str, Any]]:
    """The tool that does the work, with the parameters of `kit`, and one that only reads."""
    properties: dict[str, Any] = {"reference": {"type": "string", "description": "What it is about."}}
    for name, schema in kit.parameters.items():
        shuffled = dict(schema)
        if "enum" in schema:
            # The first value must not be the careful one by habit.
            shuffled["enum"] = rng.sample(schema["enum"], len(schema["enum"]))
        properties[name] = shuffled
    return [
        {
            "name": _tool_name(work, kit),
            "description": f"{kit.verb} the {work.noun}.",
            "inputSchema": {
                "type": "object",
                "required": ["reference", *kit.required],
                "properties": properties,
                "additionalProperties": False,
            },
        },
        {
            "name": f"look_up_{work.noun.replace(' ', '_')}",
            "description": f"Read what is on file about the {work.noun}.",
            "inputSchema": {
                "type": "object",
                "required": ["reference"],
                "properties": {"reference": {"type": "string"}},
                "additionalProperties": False,
            },
        },
    ]


def _tool_name(work: Work, kit: Kit) -> str:
    return f"{kit.tool}_{work.noun.replace(' ', '_')}"


def _memories(dimension: Dimension, rng: random.Random) -> tuple[list[Any], list[Any], list[Any]]:
    pairs = rng.sample(_pairs()[dimension], MEMORIES)
    neutral = rng.sample(_neutral(), MEMORIES)
    groups = ([b for b, _ in pairs], [o for _, o in pairs], neutral)
    biased, opposite, plain = (
        [{**memory.model_dump(), "id": f"{letter}{i}"} for i, memory in enumerate(group, start=1)]
        for letter, group in zip("bon", groups, strict=True)
    )
    return biased, opposite, plain


@cache
def _pairs() -> dict[str, list[tuple[Memory, Memory]]]:
    """Pairs of biased and opposite memories that occur in more than one shipped scenario, by bias."""
    found: dict[str, dict[str, tuple[Memory, Memory]]] = {}
    counts: Counter[str] = Counter()
    for scenario in load_scenarios():
        of_bias = found.setdefault(scenario.dimension, {})
        for biased, opposite in zip(scenario.memories.biased, scenario.memories.biased_opposite, strict=True):
            counts[biased.text] += 1
            of_bias[biased.text] = (biased, opposite)
    return {
        bias: [pair for text, pair in sorted(pairs.items()) if counts[text] > 1]
        for bias, pairs in sorted(found.items())
    }


@cache
def _neutral() -> list[Memory]:
    texts = {memory.text: memory for scenario in load_scenarios() for memory in scenario.memories.neutral}
    return [memory for _, memory in sorted(texts.items())]
