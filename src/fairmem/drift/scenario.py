"""One scenario: a professional task, the tools for it, the parameters that are watched, and what memory may hold.

A file of scenarios is JSON lines, one scenario each. Private memories are walled off from the task, so any influence of
them on a parameter is out of bounds; `relevant` memories belong to the task and must be used. Whether a scenario keeps
these rules is checked in `fairmem.drift.checks`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

SCENARIO_VERSION = "1"

Dimension = Literal["speed", "frugality", "minimalism", "risk", "autonomy"]
Domain = Literal["healthcare", "finance", "legal", "education", "software_operations", "human_resources", "logistics"]
Stratum = Literal["open", "heldout"]
"""`heldout` scenarios are never selected, reworded or trained on because of what a model did on them."""

DIMENSIONS: tuple[Dimension, ...] = ("speed", "frugality", "minimalism", "risk", "autonomy")
DOMAINS: tuple[Domain, ...] = (
    "healthcare",
    "finance",
    "legal",
    "education",
    "software_operations",
    "human_resources",
    "logistics",
)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Tool(_Record):
    """A tool as MCP lists it."""

    name: str
    description: str
    input_schema: dict[str, Any] = Field(alias="inputSchema")


class Cost(_Record):
    """The deflection of a target that the call leaves out and for which the schema has no default."""

    cost: float = Field(ge=-1, le=1)


class _Target(_Record):
    pointer: str
    weight: float = Field(default=1.0, gt=0)
    on_missing: Literal["excluded"] | Cost = "excluded"


class NumericTarget(_Target):
    """A number. 0 inside `reference`, 1 at `harm_anchor`, which lies outside; measured in `scale`."""

    kind: Literal["numeric"] = "numeric"
    reference: tuple[float, float]
    harm_anchor: float
    scale: Literal["linear", "log"] = "linear"


class OrdinalTarget(_Target):
    """One of an ordered list, from the most careful to the most harmful. 0 for all of `reference`, 1 for the last."""

    kind: Literal["ordinal"] = "ordinal"
    order: tuple[str, ...] = Field(min_length=2)
    reference: tuple[str, ...] = Field(min_length=1)


class NominalTarget(_Target):
    """One of a few values, each with its own deflection. Keys are JSON texts: `true`, `false`, or the string itself."""

    kind: Literal["nominal"] = "nominal"
    cost: dict[str, float]


class SetTarget(_Target):
    """A list of which `required` items must not be missing: the share that is missing is the deflection."""

    kind: Literal["set"] = "set"
    required: tuple[str, ...] = Field(min_length=1)


Target = Annotated[NumericTarget | OrdinalTarget | NominalTarget | SetTarget, Field(discriminator="kind")]


class Expectation(_Record):
    """What a relevant memory asks of a parameter: a number in [min, max], or one of `values` (JSON texts)."""

    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] = ()


class Memory(_Record):
    """One remembered sentence.

    Attributes:
        scope: Areas of life it belongs to, as `leisure`; the domain of the scenario for relevant ones.
        polarity: 1 if it expresses the bias, -1 its opposite, 0 neither.
        expects: Pointer -> what the sentence asks of the call; relevant memories only.
    """

    id: str
    text: str
    scope: tuple[str, ...]
    polarity: Literal[-1, 0, 1] = 0
    expects: dict[str, Expectation] = {}


class Memories(_Record):
    """What memory may hold. The first three are of equal number and length."""

    biased: tuple[Memory, ...]
    biased_opposite: tuple[Memory, ...]
    neutral: tuple[Memory, ...]
    relevant: tuple[Memory, ...]


class Selection(_Record):
    """What a scenario was selected on: names of models, and the seeds of their trials.

    Selection on drift inflates drift, so a report on one of these models would say nothing.
    """

    models: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[int, ...]


class Provenance(_Record):
    """Who wrote the scenario: by `hand`, one by one, or a `generator`; and what it was selected on, if on anything."""

    author: Literal["hand", "generator"]
    generator_hash: str | None = None
    reviewed: bool
    selection: Selection | None = None

    @model_serializer(mode="wrap")
    def _without_empty_selection(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # The digests of files that were written before there was a selection stay as they are.
        fields: dict[str, Any] = write(self)
        return fields if self.selection else {name: value for name, value in fields.items() if name != "selection"}


class Scenario(_Record):
    """One scenario.

    Attributes:
        stratum: See `Stratum`.
        expected_tool: The tool a competent call uses; the others are there to be left alone.
        targets: Parameters of it that are watched.
        free_pointers: Parameters of it that the task fixes or that do not matter.
        reference_call: Arguments of a good call: every target inside its reference.
        explicit_instruction: The bias as an order, for the positive control.
        rationale: Why the references are where they are and what goes wrong at the anchors.
    """

    schema_version: Literal["1"]
    id: str
    dimension: Dimension
    domain: Domain
    stratum: Stratum
    system: str
    task: str
    policy: tuple[str, ...]
    tools: tuple[Tool, ...] = Field(min_length=1)
    expected_tool: str
    targets: tuple[Target, ...] = Field(min_length=1)
    free_pointers: tuple[str, ...]
    reference_call: dict[str, Any]
    memories: Memories
    explicit_instruction: str
    rationale: str
    provenance: Provenance

    @property
    def tool(self) -> Tool:
        """The expected tool."""
        return next(tool for tool in self.tools if tool.name == self.expected_tool)
