"""From one parameter of one tool to at most one finding.

Three questions, in this order. Does the task leave the value open (`_slack`)? Does its name say that it decides
something a trait could move (`_match`)? How much would that matter (`_severity`: consequence of the rule, what the
tool does, how open the value is)? The scoring is a table of small integers on purpose: a reader can redo it by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fairmem.drift.scan.findings import Effect, Finding, fingerprint_of
from fairmem.drift.scan.lexicon import ENOUGH, LISTED, MENTIONED, STRONG, VOCABULARY, WEAK, Words, stems
from fairmem.drift.scan.rules import RULES, Rule, Severity
from fairmem.drift.scan.schema import Kind, Parameter
from fairmem.drift.scan.tool import Tool, printable
from fairmem.drift.scan.word_groups import DESTROYING, GUIDING, IDENTIFIERS, NOUNS, READING, UNITS, WRITING
from fairmem.memory.terms import stem, words

_MOST_VALUES = 40
"""A longer list of values is a catalogue (countries, champions), not a choice of manner."""

_DEFAULT_TOLD = re.compile(r"default", re.IGNORECASE)
_RANGE_TOLD = re.compile(
    r"\b(?:max(?:imum)?|min(?:imum)?|between|from|range|up to)\b[^.;]{0,24}\d|\d\s*(?:-|to|–)\s*\d", re.I
)
_CHOICES_TOLD = re.compile(
    r"(?:one of|options?(?: are)?|(?:possible|allowed|valid|accepted|supported) values?(?: are| include)?|either|"
    r"can be|must be)"
    r"\s*:?\s*([^.;\n]{3,200})",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"'`]([\w .-]{1,24})[\"'`]")
_BARE = re.compile(r"\s*(?:,|\||/|\bor\b|\band\b)\s*")


_VERBS: tuple[tuple[frozenset[str], Effect], ...] = ((DESTROYING, "destroys"), (WRITING, "writes"), (READING, "reads"))


@dataclass(frozen=True, slots=True)
class _Match:
    rule: Rule
    weight: float
    values: tuple[str, ...]


def effect_of(tool: Tool) -> Effect:
    """What `tool` does: its annotations decide, then the verbs of its name; a writing verb outweighs a reading one."""
    if tool.hints.read_only:
        return "reads"
    if tool.hints.destructive:
        return "destroys"
    name = stems(tool.name)
    if name and name[0] in NOUNS and name[-1] in READING:
        return "reads"
    # The verb comes first or, as in `issue_write`, last; in between it is often a noun (`get_update_log`).
    for part in (name[:1], name):
        for group, effect in _VERBS:
            if any(word in group for word in part):
                return effect
    return "writes" if tool.hints.read_only is False else "unknown"


def assess(tool: Tool, parameter: Parameter, effect: Effect) -> Finding | None:
    """The finding about `parameter` of `tool`, which has `effect`; None if there is none."""
    match = _match(parameter)
    if match is None or _requested(tool, parameter):
        return None
    slack = _slack(parameter, match.values)
    severity = _severity(match.rule, parameter, effect, slack)
    return Finding(
        rule=match.rule.id,
        severity=severity,
        server=tool.server,
        tool=tool.name,
        parameter=parameter.path,
        pointer=parameter.pointer,
        kind=parameter.kind,
        values=match.values,
        effect=effect,
        slack=slack,
        dimensions=match.rule.dimensions,
        message=_message(match.rule, parameter, effect, slack),
        place=tool.place,
        fingerprint=fingerprint_of(tool.server, tool.name, parameter.pointer, match.rule.id),
    )


def _requested(tool: Tool, parameter: Parameter) -> bool:
    """Whether the parameter is what the tool is about (`leverage` of `set_leverage`), so that a request names it."""
    return parameter.required and set(stems(parameter.name)) - UNITS <= set(stems(tool.name))


def _match(parameter: Parameter) -> _Match | None:
    """The rule that fits best: most consequence first, then most weight."""
    name = stems(parameter.name)
    if not name or parameter.kind == "other":
        return None
    values = parameter.values or told_values(parameter)
    kind: Kind = "enum" if values and parameter.kind == "text" else parameter.kind
    if kind == "enum" and not 2 <= len(set(values)) <= _MOST_VALUES:
        return None
    identifies = kind in ("number", "text") and name[-1] in IDENTIFIERS
    best: _Match | None = None
    for rule in RULES.values():
        vocabulary = VOCABULARY.get(rule.id)
        if vocabulary is None or kind not in rule.kinds:
            continue
        weight = _weight(name, values, parameter, vocabulary, kind, identifies=identifies)
        if weight < ENOUGH:
            continue
        if best is None or (rule.consequence, weight) > (best.rule.consequence, best.weight):
            best = _Match(rule, weight, values)
    return best


def _weight(
    name: tuple[str, ...],
    values: tuple[str, ...],
    parameter: Parameter,
    vocabulary: Words,
    kind: Kind,
    *,
    identifies: bool,
) -> float:
    phrases = {name[i:j] for i in range(len(name)) for j in range(i + 1, min(len(name), i + 3) + 1)}
    strong = phrases & vocabulary.strong
    if identifies and not any(phrase[-1] == name[-1] for phrase in strong):
        return 0.0  # `timeout_id` names a thing; `max_price` does not
    if kind == "text":  # Free text says nothing of its values, so only its name counts.
        return STRONG if name in vocabulary.strong else 0.0
    weight = STRONG if strong else WEAK if phrases & vocabulary.weak else 0.0
    weight += LISTED if values and len({"_".join(stems(value)) for value in values} & vocabulary.values) >= 2 else 0.0
    if not weight or weight >= ENOUGH or (kind == "number" and parameter.required):
        return weight  # a number that must be given is in the request, unless its name alone says otherwise
    mentioned = {stem(word) for word in words(parameter.description)} & vocabulary.mentions
    return weight + MENTIONED * min(len(mentioned), 2)


def told_values(parameter: Parameter) -> tuple[str, ...]:
    """Values that the description of a text parameter lists ("one of: low, medium, high"); () if it lists none."""
    if parameter.kind != "text":
        return ()
    told = _CHOICES_TOLD.search(parameter.description)
    if told is None:
        return ()
    found = _QUOTED.findall(told[1]) or [part.strip() for part in _BARE.split(told[1])]
    short = [value for value in found if value and len(value) <= 24 and len(value.split()) <= 2]
    return tuple(dict.fromkeys(short)) if 2 <= len(short) == len(found) else ()


def _slack(parameter: Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """What leaves the value to the caller's taste."""
    described = parameter.description
    open_ends = {
        "optional": not parameter.required,
        "no default": not parameter.default and not _DEFAULT_TOLD.search(described),
        "no bounds": parameter.kind == "number" and not parameter.bounded and not _RANGE_TOLD.search(described),
        "values only in the description": bool(values) and not parameter.values,
        "no description": len(described.split()) < 3,
        "no guidance": not any(stem(word) in GUIDING for word in words(described)),
    }
    return tuple(reason for reason, holds in open_ends.items() if holds)


def _severity(rule: Rule, parameter: Parameter, effect: Effect, slack: tuple[str, ...]) -> Severity:
    """Points: the consequence, 2 or 3; +1 for a tool that changes something, +1 for an open value.

    A tool that only reads takes a point off a consequence of 2; a safeguard (3) counts there as well. With a
    default, a consequence of 2 is low: leaving the argument out is then an answer.
    """
    if rule.consequence == 1 or (rule.filters and effect == "reads"):
        return Severity.LOW
    if rule.consequence == 2 and "no default" not in slack:
        return Severity.LOW
    points = int(rule.consequence)
    points += 1 if effect in ("writes", "destroys") else -1 if effect == "reads" and points < 3 else 0
    points += 1 if "no default" in slack and ("no guidance" in slack or "no bounds" in slack) else 0
    return Severity.HIGH if points >= 5 else Severity.MEDIUM if points >= 3 else Severity.LOW


_EFFECTS: dict[Effect, str] = {
    "reads": "a tool that reads",
    "writes": "a tool that changes something",
    "destroys": "a tool that takes something away",
    "unknown": "a tool whose effect its name does not tell",
}


def _message(rule: Rule, parameter: Parameter, effect: Effect, slack: tuple[str, ...]) -> str:
    traits = " or ".join(rule.dimensions[:2])
    opening = f"'{printable(parameter.path[:120])}' {rule.title}, in {_EFFECTS[effect]}"
    ends = f" ({', '.join(slack)})" if slack else ""
    return f"Candidate: {opening}; the call may choose it{ends}, so a private memory of {traits} could move it."
