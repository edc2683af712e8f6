"""The roles of a memory agent: what each is shown, and how its reply is read.

Extractor (`TurnContext` -> facts), manager (facts and related entries -> operations) and answerer (question and entries
-> text), or a single agent (turns and related entries -> operations) or the writer of a structured memory in place of
the first two, each have `prompt(...)` and `parse(...)`; sampling in between is the caller's business. Two prompt
families: `instruct` (JSON) and `compact` (short lines, see `compact`). Parsers never raise.
"""

from __future__ import annotations

from fairmem.agents.answerer import Answer, Answerer
from fairmem.agents.compact import (
    fact_letter,
    format_answer,
    format_decision,
    format_extraction,
    render_compact_answer,
    render_compact_extract,
    render_compact_manage,
    render_compact_single,
)
from fairmem.agents.context import Fact, TurnContext, by_update
from fairmem.agents.decision import Decision
from fairmem.agents.distill import Kept
from fairmem.agents.extractor import Extraction, Extractor
from fairmem.agents.hooks import (
    Access,
    Change,
    Defense,
    Need,
    Proposal,
    Remembered,
    Reviewed,
    Situation,
    ToolDefense,
    call_with,
)
from fairmem.agents.manager import Manager
from fairmem.agents.prompts import load_prompt
from fairmem.agents.single import SingleAgent
from fairmem.agents.tooluser import (
    compact_call_until,
    format_compact_call,
    parse_compact_call,
    render_compact_call,
)
from fairmem.agents.wording import NO_INFORMATION
from fairmem.agents.writer import Shown, Writer

__all__ = [
    "Access",
    "Answer",
    "Answerer",
    "Change",
    "Decision",
    "Defense",
    "Extraction",
    "Extractor",
    "Fact",
    "Kept",
    "Manager",
    "NO_INFORMATION",
    "Need",
    "Proposal",
    "Remembered",
    "Reviewed",
    "Shown",
    "SingleAgent",
    "Situation",
    "ToolDefense",
    "TurnContext",
    "Writer",
    "by_update",
    "call_with",
    "compact_call_until",
    "fact_letter",
    "format_answer",
    "format_compact_call",
    "format_decision",
    "format_extraction",
    "load_prompt",
    "parse_compact_call",
    "render_compact_answer",
    "render_compact_call",
    "render_compact_extract",
    "render_compact_manage",
    "render_compact_single",
]
