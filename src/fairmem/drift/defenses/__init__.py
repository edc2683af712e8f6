"""Defences against memory drift: one file each, behind the hooks of `fairmem.agents.hooks`.

`DEFENSES` names them all; `open_defense` makes one from settings. A defence says what it needs (`ToolDefense.needs`),
and a model that cannot give it is refused with the reason (`refusal`). `fairmem.drift.defend` benchmarks them,
`DefendedModel` puts one around any model of an audit, and `fairmem.agents.hooks.call_with` around an agent of yours.
"""

from __future__ import annotations

from fairmem.drift.defenses.attribution import responsible
from fairmem.drift.defenses.counterfactual import Attribution, Counterfactual
from fairmem.drift.defenses.defended import Costs, Defended, DefendedModel, Resources, refusal
from fairmem.drift.defenses.direction_ablation import DirectionAblation, read_directions
from fairmem.drift.defenses.embedding_filter import EmbeddingFilter
from fairmem.drift.defenses.grounding import states
from fairmem.drift.defenses.guard import GUARDS, Guard, guarded_pointers, pointers_of
from fairmem.drift.defenses.lexical_filter import LexicalFilter
from fairmem.drift.defenses.llm_filter import LlmFilter
from fairmem.drift.defenses.need_to_know import NeedToKnow
from fairmem.drift.defenses.provenance import Provenance
from fairmem.drift.defenses.relevance_prompt import RelevancePrompt
from fairmem.drift.defenses.schema_tightening import SchemaTightening, read_rules, rules_of
from fairmem.drift.defenses.settings import DefenseSettings, read_permits
from fairmem.drift.defenses.table import DEFENSES, open_defense
from fairmem.drift.defenses.two_stage import TwoStage
from fairmem.drift.defenses.value_mixing import ValueMixing

__all__ = [
    "Attribution",
    "Costs",
    "Counterfactual",
    "DEFENSES",
    "Defended",
    "DefendedModel",
    "DefenseSettings",
    "DirectionAblation",
    "EmbeddingFilter",
    "GUARDS",
    "Guard",
    "LexicalFilter",
    "LlmFilter",
    "NeedToKnow",
    "Provenance",
    "RelevancePrompt",
    "Resources",
    "SchemaTightening",
    "TwoStage",
    "ValueMixing",
    "guarded_pointers",
    "open_defense",
    "pointers_of",
    "read_directions",
    "read_permits",
    "read_rules",
    "refusal",
    "responsible",
    "rules_of",
    "states",
]
