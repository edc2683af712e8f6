"""The defences by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fairmem.agents.hooks import Need, ToolDefense
from fairmem.drift.defenses.counterfactual import Attribution, Counterfactual
from fairmem.drift.defenses.direction_ablation import DirectionAblation
from fairmem.drift.defenses.embedding_filter import EmbeddingFilter
from fairmem.drift.defenses.lexical_filter import LexicalFilter
from fairmem.drift.defenses.llm_filter import LlmFilter
from fairmem.drift.defenses.need_to_know import NeedToKnow
from fairmem.drift.defenses.provenance import Provenance
from fairmem.drift.defenses.relevance_prompt import RelevancePrompt
from fairmem.drift.defenses.schema_tightening import SchemaTightening
from fairmem.drift.defenses.settings import DefenseSettings
from fairmem.drift.defenses.two_stage import TwoStage
from fairmem.drift.defenses.value_mixing import ValueMixing
from fairmem.errors import ConfigError


@dataclass(frozen=True, slots=True)
class DefenseKind:
    """A defence in the table: its class, how it is made, and where it steps in."""

    kind: type[ToolDefense]
    make: Callable[[DefenseSettings], ToolDefense]
    place: str

    @property
    def needs(self) -> frozenset[Need]:
        """See `fairmem.agents.hooks.Need`."""
        return self.kind.needs


def _schema_tightening(settings: DefenseSettings) -> ToolDefense:
    if settings.rules is None and not settings.approve:
        raise ConfigError("it needs rules: which values each parameter may take (--rules FILE)")
    return SchemaTightening(settings.rules or {}, settings.approve)


def _direction_ablation(settings: DefenseSettings) -> ToolDefense:
    if not settings.directions:
        raise ConfigError("it needs the directions of a probe of this model (fairmem drift probe, --directions FOLDER)")
    return DirectionAblation(settings.directions)


DEFENSES: dict[str, DefenseKind] = {
    "relevance-prompt": DefenseKind(RelevancePrompt, lambda _: RelevancePrompt(), "prompt"),
    "lexical-filter": DefenseKind(LexicalFilter, lambda s: LexicalFilter(s.shared), "prompt"),
    "embedding-filter": DefenseKind(EmbeddingFilter, lambda s: EmbeddingFilter(s.least_cosine), "prompt"),
    "llm-filter": DefenseKind(LlmFilter, lambda s: LlmFilter(s.filter_tokens), "prompt"),
    "need-to-know": DefenseKind(NeedToKnow, lambda _: NeedToKnow(), "prompt"),
    "schema-tightening": DefenseKind(SchemaTightening, _schema_tightening, "tools"),
    "two-stage": DefenseKind(TwoStage, lambda s: TwoStage(s.permits), "decoding"),
    "value-mixing": DefenseKind(ValueMixing, lambda s: ValueMixing(s.beta), "decoding"),
    "direction-ablation": DefenseKind(DirectionAblation, _direction_ablation, "decoding"),
    "counterfactual": DefenseKind(Counterfactual, lambda s: Counterfactual(s.permits), "call"),
    "attribution": DefenseKind(Attribution, lambda s: Attribution(s.permits, search=s.search), "call"),
    "provenance": DefenseKind(Provenance, lambda s: Provenance(cite=s.cite, escalate=s.escalate), "call"),
}
"""Name -> defence, in the order of reports. To add one: a `ToolDefense` in a file of its own, and a row here."""


def open_defense(name: str, settings: DefenseSettings | None = None) -> ToolDefense:
    """The defence called `name`.

    Raises:
        ConfigError: there is none, or the settings lack what it cannot be made without.
    """
    if name not in DEFENSES:
        raise ConfigError(f"defence {name!r}: expected one of {', '.join(DEFENSES)}")
    try:
        return DEFENSES[name].make(settings or DefenseSettings())
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error
