"""Filling cells with generated scenarios; what is on disk is never asked for again.

`FILE` gets one accepted scenario a line and is what `fairmem drift run --scenarios` reads. `FILE.attempts.jsonl` opens
with the settings and has one line per attempt, accepted or rejected, with stage and reason. Both are only appended to.
One of three scenarios of a cell is of the stratum `heldout`: no model selects or rewords it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fairmem.drift.checks import violations
from fairmem.drift.files import load_scenarios
from fairmem.drift.generate.attempts import (
    GENERATE_FORMAT,
    GENERATE_VERSION,
    Counts,
    Place,
    append,
    count_attempts,
    open_attempts,
    places,
    row_of,
)
from fairmem.drift.generate.measure import Selector
from fairmem.drift.generate.outcome import Reason, Rejected, Stage
from fairmem.drift.generate.roles import (
    MEANINGS,
    MEMORIES,
    ask_role,
    assemble,
    audited,
    auditor_values,
    reworded,
    role_prompt,
    tool_text,
)
from fairmem.drift.generate.templates import from_templates
from fairmem.drift.scenario import Provenance, Scenario, Selection
from fairmem.errors import ConfigError
from fairmem.policy import Policy
from fairmem.seeds import derive


@dataclass(frozen=True, slots=True)
class GenerateConfig:
    """Settings of a generation.

    Attributes:
        count: Scenarios wanted; cells are filled in turn.
        seed: Of everything that is drawn.
        attempts: Most tries for one place; after that it stays empty.
        retries: Times a role is asked again after a reply without JSON, and a writer after broken rules.
        rounds: Times the adversary may reword.
    """

    count: int
    seed: int = 0
    attempts: int = 3
    retries: int = 2
    rounds: int = 2

    def __post_init__(self) -> None:
        if self.count < 1 or self.attempts < 1 or self.retries < 0 or self.rounds < 0:
            raise ConfigError(f"{self}: expected count and attempts of at least 1, the others of at least 0")


def generate(
    path: Path,
    config: GenerateConfig,
    *,
    writer: Policy | None = None,
    auditor: Policy | None = None,
    selector: Selector | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Counts:
    """Fill `path` up to `config.count` places.

    Args:
        path: The file of scenarios; attempts lie beside it.
        config: See `GenerateConfig`.
        writer: Plans, writes and rewords; None for templates.
        auditor: Has the veto; needed with a writer, and then best another model.
        selector: Models that scenarios are selected on; None for no selection.
        progress: Told what became of each attempt.

    Raises:
        ConfigError: a writer without an auditor, or the file was begun with other settings.
        CheckpointError: one of the two files is damaged.
    """
    if (writer is None) != (auditor is None):
        raise ConfigError("a model that writes and one that audits go together; give both, or neither for templates")
    maker = _hash(writer, auditor)
    names = tuple(model.name for model in selector.models) if selector else ()
    header = {
        "format": GENERATE_FORMAT,
        "version": GENERATE_VERSION,
        "seed": config.seed,
        "generator": maker,
        "writer": writer.name if writer else "templates",
        "auditor": auditor.name if auditor else "",
        "selected_on": list(names),
        "selection_seeds": list(selector.seeds) if selector else [],
    }
    attempts = path.with_name(path.name + ".attempts.jsonl")
    done = open_attempts(path, attempts, header)
    for place in places(config.count):
        tried = done.get(place.id, [])
        if any(row["accepted"] for row in tried):
            continue
        for attempt in range(len(tried), config.attempts):
            provenance = Provenance(author="generator", generator_hash=maker, reviewed=False)
            seed = derive(config.seed, "drift-generate", place.id, attempt)
            picking = None if place.heldout else selector
            found = _attempt(place, seed, config, provenance, writer, auditor, picking)
            row = row_of(place, attempt, found)
            # The scenario first: a kill between the two leaves a scenario that is seen on resuming, not a lost one.
            if isinstance(found, Scenario):
                append(path, found.model_dump_json(by_alias=True))
            append(attempts, json.dumps(row))
            done.setdefault(place.id, []).append(row)
            progress(f"{place.id}: {'accepted' if row['accepted'] else row['stage'] + ' ' + row['reason']}")
            if row["accepted"]:
                break
    return count_attempts(config.count, done)


def _attempt(
    place: Place,
    seed: int,
    config: GenerateConfig,
    provenance: Provenance,
    writer: Policy | None,
    auditor: Policy | None,
    selector: Selector | None,
) -> Scenario | Rejected:
    if writer is None:
        drawn = from_templates(place.dimension, place.domain, place.id, seed, provenance)
    else:
        drawn = _written(place, seed, config, provenance, writer)
    if isinstance(drawn, Rejected):
        return drawn
    if place.heldout:
        drawn = drawn.model_copy(update={"stratum": "heldout"})
    if selector is not None:
        if writer is not None:
            drawn = _harder(drawn, seed, config, writer, selector)
        measured = selector.verdict(drawn)
        if isinstance(measured, Rejected):
            return measured
        selection = Selection(models=tuple(m.name for m in selector.models), seeds=selector.seeds)
        drawn = drawn.model_copy(update={"provenance": provenance.model_copy(update={"selection": selection})})
    if auditor is not None:
        reply = ask_role(auditor, "auditor", auditor_values(drawn), seed, config.retries)
        veto = reply if isinstance(reply, Rejected) else audited(reply)
        if veto is not None:
            return veto
    return drawn


def _written(
    place: Place, seed: int, config: GenerateConfig, provenance: Provenance, writer: Policy
) -> Scenario | Rejected:
    about = {
        "domain": place.domain.replace("_", " "),
        "dimension": place.dimension,
        "meaning": MEANINGS[place.dimension],
    }
    cell = [s for s in load_scenarios() if (s.dimension, s.domain) == (place.dimension, place.domain)]
    taken = ", ".join(s.expected_tool for s in cell)
    plan = ask_role(writer, "planner", {**about, "taken": taken}, seed, config.retries)
    if isinstance(plan, Rejected):
        return plan
    problems = ""
    last: Rejected = Rejected(Stage.WRITER, Reason.MALFORMED)
    for round_ in range(config.retries + 1):
        values = {
            **about,
            "plan": json.dumps(plan, ensure_ascii=False),
            "count": str(MEMORIES),
            "problems": problems,
        }
        draft = ask_role(writer, "writer", values, derive(seed, "round", round_), config.retries)
        if isinstance(draft, Rejected):
            return draft
        found = assemble(plan, draft, place.id, place.dimension, place.domain, provenance)
        if isinstance(found, Rejected):
            last = found
            problems = f"Your last answer was not usable: {found.message}"
            continue
        broken = violations(found)
        if not broken:
            return found
        last = Rejected(Stage.CHECKS, Reason.UNFAIR, "; ".join(broken)[:500])
        problems = "\n".join(["Your last answer broke these rules:", *(f"- {line}" for line in broken[:12])])
    return last


def _harder(scenario: Scenario, seed: int, config: GenerateConfig, writer: Policy, selector: Selector) -> Scenario:
    """The rewording that moves the first selecting model most; `scenario` itself if none does."""
    best, drift = scenario, selector.drift(scenario)
    for round_ in range(config.rounds):
        values = {
            "dimension": scenario.dimension,
            "meaning": MEANINGS[scenario.dimension],
            "task": scenario.task,
            "tool": tool_text(best),
            "biased": json.dumps([m.text for m in best.memories.biased], ensure_ascii=False),
            "delta": f"{drift:.2f}",
        }
        edit = ask_role(writer, "adversary", values, derive(seed, "adversary", round_), config.retries)
        edited = edit if isinstance(edit, Rejected) else reworded(best, edit)
        # A failed rewording costs nothing: the scenario stays what it was.
        if isinstance(edited, Rejected) or violations(edited):
            continue
        moved = selector.drift(edited)
        if moved > drift or (drift != drift and moved == moved):
            best, drift = edited, moved
    return best


def _hash(writer: Policy | None, auditor: Policy | None) -> str:
    """Identifies the generator: names of the models and wordings of the prompts, or the templates."""
    prompts = "".join(role_prompt(role).prompt_hash for role in ("planner", "writer", "adversary", "auditor"))
    about = f"{writer.name}/{auditor.name}/{prompts}" if writer and auditor else "templates-1"
    return hashlib.sha256(about.encode()).hexdigest()
