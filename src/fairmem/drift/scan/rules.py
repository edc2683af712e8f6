"""The rules: what a parameter decides, which private traits could move it, and how much that matters.

To add one: an entry in `RULES`, its words in `lexicon.VOCABULARY`, a positive and a negative case in
tests/unit/drift/scan/test_assess.py, and its row in docs/guide/scan.md (a test holds that).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from fairmem.drift.scan.schema import Kind

Dimension = Literal["speed", "frugality", "minimalism", "risk", "autonomy"]
"""The five traits of MEMDRIFT."""
DIMENSIONS: tuple[Dimension, ...] = ("speed", "frugality", "minimalism", "risk", "autonomy")


class Severity(IntEnum):
    """How much a silent change of a parameter could matter; ordered."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3

    @property
    def label(self) -> str:
        """Its name as users write it."""
        return self.name.lower()


SEVERITIES: Mapping[str, Severity] = {severity.label: severity for severity in reversed(Severity)}
"""Name -> severity, highest first."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of decision that a parameter can hold.

    Attributes:
        id: Stable identifier, `MDS` and three digits.
        name: Its name in one word of CamelCase.
        title: What the parameter decides, in a few words.
        consequence: 1 taste or volume, 2 quality or cost, 3 safety, disclosure, loss or money.
        dimensions: Traits that could move it, the likeliest first.
        kinds: Kinds of parameter it applies to.
        filters: In a tool that only reads, such a parameter selects what is shown, so it counts as low.
        meaning: What can go wrong, for the documentation.
        remedy: What the server's author or its user can do.
    """

    id: str
    name: str
    title: str
    consequence: Literal[1, 2, 3]
    dimensions: tuple[Dimension, ...]
    kinds: frozenset[Kind]
    filters: bool
    meaning: str
    remedy: str


_CHOICE: frozenset[Kind] = frozenset(("boolean", "enum"))
_SCALE: frozenset[Kind] = frozenset(("boolean", "enum", "number"))
_ANY: frozenset[Kind] = frozenset(("boolean", "enum", "number", "text"))

_RULES = (
    Rule(
        "MDS001",
        "Safeguard",
        "switches a check or a safeguard",
        3,
        ("risk", "speed", "autonomy"),
        _CHOICE,
        False,
        "A bold or hurried person's memory can skip a validation, force an operation or lower a security setting.",
        "Make the safe value the default or a const, or require a person's approval for the other.",
    ),
    Rule(
        "MDS002",
        "Approval",
        "decides whether something happens without a person",
        3,
        ("autonomy", "speed", "risk"),
        _CHOICE,
        True,
        "A memory of liking to act alone can send, publish, run or approve what was to be a draft or a question.",
        "Split drafting from sending into two tools, or keep the flag out of the model's reach.",
    ),
    Rule(
        "MDS003",
        "Disclosure",
        "decides who can see or do something",
        3,
        ("risk", "autonomy", "speed"),
        frozenset(("boolean", "enum", "text")),
        True,
        "Visibility or permissions can come out wider than the task asks for.",
        "Default to the narrowest value and say in the description who decides on a wider one.",
    ),
    Rule(
        "MDS004",
        "Destruction",
        "decides whether something existing is lost",
        3,
        ("minimalism", "risk", "speed"),
        _CHOICE,
        True,
        "A memory of keeping things tidy, or of going all in, can overwrite, prune or delete for good.",
        "Default to keeping; require an explicit instruction for loss.",
    ),
    Rule(
        "MDS005",
        "Exposure",
        "sets how much money is spent or at risk",
        3,
        ("risk", "frugality"),
        _ANY,
        True,
        "Slippage, leverage, bids, fees and budgets have no right value in the request, so a trait fills the gap.",
        "Give bounds in the schema that come from a policy, and a default inside them.",
    ),
    Rule(
        "MDS006",
        "Haste",
        "sets how long something may take, is retried or is kept",
        2,
        ("speed", "frugality"),
        _SCALE,
        False,
        "An impatient person's memory can shorten waits, retries and retention until work fails or is lost.",
        "Give a default and a lower bound.",
    ),
    Rule(
        "MDS007",
        "Rigour",
        "sets how thorough or exact the work is",
        2,
        ("speed", "minimalism", "frugality"),
        _SCALE,
        False,
        "Depth, samples, thresholds and quality can fall below what the work needs, and the result looks alike.",
        "Give a default, bounds, and a sentence on which value suits which work.",
    ),
    Rule(
        "MDS008",
        "Volume",
        "sets how much is returned or handled",
        1,
        ("minimalism", "frugality", "speed"),
        frozenset(("number",)),
        False,
        "Fewer results than the work needs are looked at. Frequent, seldom grave; always low.",
        "Give a default and bounds.",
    ),
    Rule(
        "MDS009",
        "Detail",
        "decides how much is shown or written",
        1,
        ("minimalism", "speed"),
        _CHOICE,
        False,
        "A lover of few words gets less than the work needs. Frequent, seldom grave; always low.",
        "Give a default.",
    ),
    Rule(
        "MDS010",
        "Resources",
        "sets rank, tier or size of what is used",
        2,
        ("frugality", "speed"),
        _ANY,
        True,
        "Priority, plan, machine size or service class follow a trait in place of the task's need.",
        "Give a default and say which need justifies which tier.",
    ),
    Rule(
        "MDS020",
        "UnseenCalls",
        "lets calls run without a person seeing them",
        2,
        ("autonomy", "risk"),
        frozenset(),
        False,
        "A client configuration approves calls of a server in advance, so arguments that moved are not seen by anyone.",
        "Approve in advance only tools that read, by name.",
    ),
)

RULES: Mapping[str, Rule] = {rule.id: rule for rule in _RULES}
"""Rule id -> rule, in the order of reports."""
