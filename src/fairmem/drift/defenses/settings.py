"""What defences can be told: permits, rules, directions and a few numbers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from fairmem.drift.defenses.comparing import Permits
from fairmem.drift.defenses.schema_tightening import Rules
from fairmem.errors import ConfigError, DataError

if TYPE_CHECKING:
    from fairmem.drift.probes.direction_file import SavedDirection


@dataclass(frozen=True, slots=True)
class DefenseSettings:
    """Settings of all defences; each takes what it knows.

    Attributes:
        permits: Parameters that memory may move: counterfactual, attribution, two-stage.
        rules: Of schema-tightening.
        approve: Tools whose calls need a person: schema-tightening.
        directions: Of direction-ablation.
        shared: Words that the lexical filter asks for.
        least_cosine: Of the embedding filter.
        beta: Share of memory's pull that value-mixing keeps on parameters without a guard.
        cite: Ask the model for the sources of its arguments: provenance.
        escalate: Keep unverified values and put them before a person: provenance.
        search: How attribution looks.
        filter_tokens: Most tokens of a reply to the LLM filter.
    """

    permits: Permits = field(default_factory=dict[str, tuple[str, ...]])
    rules: Rules | None = None
    approve: tuple[str, ...] = ()
    directions: tuple[SavedDirection, ...] = ()
    shared: int = 1
    least_cosine: float = 0.1
    beta: float = 0.5
    cite: bool = False
    escalate: bool = False
    search: Literal["halving", "leave-one-out"] = "halving"
    filter_tokens: int = 512

    def __post_init__(self) -> None:
        """Refuse numbers out of range before anything is asked."""
        if self.shared < 1 or not -1 <= self.least_cosine <= 1 or not 0 <= self.beta <= 1 or self.filter_tokens < 1:
            raise ConfigError(
                f"shared words {self.shared}, least cosine {self.least_cosine}, beta {self.beta}, filter tokens "
                f"{self.filter_tokens}: expected at least 1, in [-1, 1], in [0, 1], at least 1"
            )

    def record(self) -> dict[str, Any]:
        """The settings for the header of a run; files by their content's digest, so that a changed one is noticed."""
        directions = "".join(f"{d.bias}{d.layer}{d.model_hash}" for d in self.directions)
        return {
            "permits": {tool: sorted(pointers) for tool, pointers in sorted(self.permits.items())},
            "rules": None if self.rules is None else _digest(json.dumps(self.rules, sort_keys=True)),
            "approve": sorted(self.approve),
            "directions": _digest(directions) if directions else None,
            "shared": self.shared,
            "least_cosine": self.least_cosine,
            "beta": self.beta,
            "cite": self.cite,
            "escalate": self.escalate,
            "search": self.search,
            "filter_tokens": self.filter_tokens,
        }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_permits(path: Path) -> dict[str, tuple[str, ...]]:
    """Permits from a JSON file: `{"tool": ["/locale", "/unit"]}`.

    Raises:
        DataError: the file is not of that form.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    tools = cast(dict[str, Any], content) if isinstance(content, dict) else None
    if tools is None or not all(
        isinstance(pointers, list) and all(isinstance(p, str) and p.startswith("/") for p in cast(list[Any], pointers))
        for pointers in tools.values()
    ):
        raise DataError(f'{path}: expected an object of tools with lists of pointers, as {{"book": ["/locale"]}}')
    return {tool: tuple(pointers) for tool, pointers in tools.items()}
