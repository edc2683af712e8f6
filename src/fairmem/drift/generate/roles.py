"""The four roles over any chat model: what each is asked, and what its reply comes to. No reply raises."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

from pydantic import ValidationError

from fairmem.agents.prompts import PromptTemplate
from fairmem.drift.answer import plain_text
from fairmem.drift.generate.outcome import Reason, Rejected, Stage
from fairmem.drift.scenario import SCENARIO_VERSION, Dimension, Domain, Provenance, Scenario
from fairmem.policy import Policy, SampleRequest
from fairmem.policy.calls import loads
from fairmem.seeds import derive
from fairmem.trace import CallFailure, StopReason

Role = Literal["planner", "writer", "adversary", "auditor"]

VARIABLES: dict[Role, frozenset[str]] = {
    "planner": frozenset({"domain", "dimension", "meaning", "taken"}),
    "writer": frozenset({"domain", "dimension", "meaning", "plan", "count", "problems"}),
    "adversary": frozenset({"dimension", "meaning", "task", "tool", "biased", "delta"}),
    "auditor": frozenset({"domain", "task", "policy", "tool", "references", "memories"}),
}
"""The variables that the code gives to each prompt; a file that uses others is an error when it is loaded."""

MEANINGS: dict[Dimension, str] = {
    "speed": "wanting things done fast, whatever is skipped",
    "frugality": "wanting to spend as little as possible",
    "minimalism": "wanting as little as possible of anything",
    "risk": "liking to take chances",
    "autonomy": "deciding and acting alone, without asking",
}

MEMORIES = 8
MAX_TOKENS = 4096

Fields = Mapping[str, Any]


@cache
def role_prompt(role: Role) -> PromptTemplate:
    """The prompt of `role`, read and checked once.

    Raises:
        ConfigError: the file does not use exactly the variables of `VARIABLES`.
    """
    text = files("fairmem.drift.generate.prompts").joinpath(f"{role}.md").read_text(encoding="utf-8")
    return PromptTemplate.compile(text, VARIABLES[role], f"drift/generate/prompts/{role}.md")


def ask_role(policy: Policy, role: Role, values: Mapping[str, str], seed: int, retries: int) -> Fields | Rejected:
    """The JSON object that `policy` replies with; asked again, with another seed, at most `retries` times."""
    stage = Stage(role)
    last = Rejected(stage, Reason.NOT_JSON)
    for attempt in range(retries + 1):
        prompt = role_prompt(role).render(values)
        temperature = 0.0 if role == "auditor" and attempt == 0 else 1.0
        request = SampleRequest(prompt, MAX_TOKENS, temperature, derive(seed, "generate", role, attempt), role)
        (reply,) = policy.sample([request])
        if isinstance(reply, CallFailure):
            last = Rejected(stage, Reason.CALL_FAILED, plain_text(f"{reply.kind}: {reply.message}"[:300]))
            continue
        found = read_object(reply.text)
        if found is not None:
            return found
        what = "cut at the token limit" if reply.stop is StopReason.LENGTH else "no JSON object"
        last = Rejected(stage, Reason.NOT_JSON, plain_text(f"{what}: {' '.join(reply.text.split())[:200]}"))
    return last


def read_object(text: str) -> Fields | None:
    """The JSON object from the first to the last brace of a reply; None if there is none. Never raises."""
    start, end = text.find("{"), text.rfind("}")
    found = loads(text[start : end + 1]) if 0 <= start < end else None
    return cast(Fields, found) if isinstance(found, dict) else None


def assemble(
    plan: Fields, draft: Fields, scenario_id: str, dimension: Dimension, domain: Domain, provenance: Provenance
) -> Scenario | Rejected:
    """The scenario of a plan and a draft, both as models wrote them; stratum `open`. Never raises."""
    planned = ("system", "policy", "tools", "expected_tool", "targets", "free_pointers", "reference_call")
    fields: dict[str, Any] = {name: plan.get(name) for name in (*planned, "rationale", "explicit_instruction")}
    fields |= {
        "schema_version": SCENARIO_VERSION,
        "id": scenario_id,
        "dimension": dimension,
        "domain": domain,
        "stratum": "open",
        "task": draft.get("task"),
        "provenance": provenance.model_dump(),
        "memories": {
            "biased": _memories(draft.get("biased"), "b", 1),
            "biased_opposite": _memories(draft.get("opposite"), "o", -1),
            "neutral": _memories(draft.get("neutral"), "n", 0),
            "relevant": _relevant(draft.get("relevant"), domain),
        },
    }
    try:
        return Scenario.model_validate(fields)
    except (ValidationError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "nested too deeply"}
        place = "/".join(str(part) for part in first["loc"])
        return Rejected(Stage.WRITER, Reason.MALFORMED, plain_text(f"{place}: {first['msg']}"[:300]))


def reworded(scenario: Scenario, edit: Fields) -> Scenario | Rejected:
    """`scenario` with the biased memories and descriptions of the adversary's `edit`. Never raises."""
    texts = edit.get("biased")
    biased = scenario.memories.biased
    if not isinstance(texts, list) or len(cast(list[Any], texts)) != len(biased):
        return Rejected(Stage.ADVERSARY, Reason.MALFORMED, f"expected a list of {len(biased)} sentences")
    sentences = [_sentence(text) for text in cast(list[Any], texts)]
    fields = scenario.model_dump(by_alias=True, mode="json")
    for memory, text in zip(fields["memories"]["biased"], sentences, strict=True):
        memory["text"] = text
    described = edit.get("descriptions")
    for tool in fields["tools"]:
        if tool["name"] == scenario.expected_tool and isinstance(described, dict):
            for pointer, text in cast(dict[Any, Any], described).items():
                place = tool["inputSchema"].get("properties", {}).get(str(pointer).removeprefix("/"))
                if isinstance(place, dict) and isinstance(text, str) and text.strip():
                    place["description"] = plain_text(text)
    try:
        return Scenario.model_validate(fields)
    except ValidationError as error:
        return Rejected(Stage.ADVERSARY, Reason.MALFORMED, plain_text(str(error.errors()[0]["msg"])))


def audited(found: Fields) -> Rejected | None:
    """The auditor's veto; None if it has none. An answer that is not plainly true or false is a veto."""
    reason = plain_text(str(found.get("reason", ""))[:300])
    if found.get("would_change") is not False:
        return Rejected(Stage.AUDITOR, Reason.EXPERT_WOULD_CHANGE, reason)
    if found.get("private") is not True:
        return Rejected(Stage.AUDITOR, Reason.NOT_PRIVATE, reason)
    return None if found.get("sound") is True else Rejected(Stage.AUDITOR, Reason.UNSOUND, reason)


def auditor_values(scenario: Scenario) -> dict[str, str]:
    """What the auditor sees of `scenario`: all private memories, shuffled among each other by place, without labels."""
    groups = (scenario.memories.biased, scenario.memories.biased_opposite, scenario.memories.neutral)
    mixed = [memory.text for trio in zip(*groups, strict=True) for memory in trio]
    return {
        "domain": scenario.domain.replace("_", " "),
        "task": scenario.task,
        "policy": " ".join(scenario.policy),
        "tool": tool_text(scenario),
        "references": json.dumps(scenario.reference_call, ensure_ascii=False),
        "memories": "\n".join(f"- {text}" for text in mixed),
    }


def tool_text(scenario: Scenario) -> str:
    """The expected tool as JSON."""
    return json.dumps(scenario.tool.model_dump(by_alias=True), ensure_ascii=False)


def _sentence(value: Any) -> str:
    text = cast(dict[str, Any], value).get("text") if isinstance(value, dict) else value
    return plain_text(" ".join(text.split())) if isinstance(text, str) else ""


def _memories(value: Any, letter: str, polarity: int) -> list[dict[str, Any]]:
    listed: Sequence[Any] = cast(list[Any], value) if isinstance(value, list) else []
    return [
        {"id": f"{letter}{i}", "text": _sentence(item), "scope": ["private"], "polarity": polarity}
        for i, item in enumerate(listed, start=1)
    ]


def _relevant(value: Any, domain: str) -> list[dict[str, Any]]:
    listed: list[Any] = cast(list[Any], value) if isinstance(value, list) else [value]
    found: list[dict[str, Any]] = []
    for i, item in enumerate(listed, start=1):
        if not isinstance(item, dict):
            continue
        fields = cast(dict[str, Any], item)
        wanted = {name: fields[name] for name in ("min", "max", "values") if fields.get(name) is not None}
        expects = {str(fields.get("pointer")): wanted}
        found.append({"id": f"r{i}", "text": _sentence(fields), "scope": [domain], "polarity": 0, "expects": expects})
    return found
