"""Filling cells with generated scenarios; what is on disk is never asked for again.

`FILE` gets one accepted scenario a line and is what `fairmem drift run --scenarios` reads. `FILE.attempts.jsonl` opens
with the settings and has one line per attempt, accepted or rejected, with stage and reason. Both are only appended to.
Every third scenario of a cell is of the stratum `heldout`: no model selects or rewords it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from fairmem.drift.checks import violations
from fairmem.drift.files import load_scenarios
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
from fairmem.drift.scenario import DIMENSIONS, DOMAINS, Dimension, Domain, Provenance, Scenario, Selection
from fairmem.errors import CheckpointError, ConfigError
from fairmem.policy import Policy
from fairmem.seeds import derive

GENERATE_FORMAT = "fairmem-drift-attempts"
GENERATE_VERSION = 1
HELDOUT_EVERY = 3


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


@dataclass(slots=True)
class Counts:
    """What became of attempts: `accepted`, and `rejected` by (stage, reason). `empty` places ran out of attempts."""

    accepted: int = 0
    heldout: int = 0
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    empty: int = 0

    def text(self) -> str:
        """As it is printed."""
        attempts = self.accepted + sum(self.rejected.values())
        lines = [f"{self.accepted} of {attempts} attempts accepted, {self.heldout} of them held out (unselected)"]
        lines += [f"  rejected at {stage}: {reason} {n}" for (stage, reason), n in sorted(self.rejected.items())]
        if self.empty:
            lines.append(f"  {self.empty} places stay empty: no attempt passed")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Place:
    id: str
    dimension: Dimension
    domain: Domain
    heldout: bool


def places(count: int) -> Iterable[_Place]:
    """The places to fill: all 35 cells once, then again; the third of a cell is held out."""
    cells = [(dimension, domain) for domain in DOMAINS for dimension in DIMENSIONS]
    for number in range(count):
        dimension, domain = cells[number % len(cells)]
        nth = number // len(cells) + 1
        # Places of one round differ in which is held out, so that a short generation has both strata in each bias.
        heldout = (number // len(DIMENSIONS) + nth) % HELDOUT_EVERY == 0
        yield _Place(f"{dimension}-{domain}-g{nth:03d}", dimension, domain, heldout)


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
    done = _open(path, attempts, header)
    for place in places(config.count):
        tried = done.get(place.id, [])
        if any(row["accepted"] for row in tried):
            continue
        for attempt in range(len(tried), config.attempts):
            provenance = Provenance(author="generator", generator_hash=maker, reviewed=False)
            seed = derive(config.seed, "drift-generate", place.id, attempt)
            picking = None if place.heldout else selector
            found = _attempt(place, seed, config, provenance, writer, auditor, picking)
            row = _row(place, attempt, found)
            # The scenario first: a kill between the two leaves a scenario that is seen on resuming, not a lost one.
            if isinstance(found, Scenario):
                _append(path, found.model_dump_json(by_alias=True))
            _append(attempts, json.dumps(row))
            done.setdefault(place.id, []).append(row)
            progress(f"{place.id}: {'accepted' if row['accepted'] else row['stage'] + ' ' + row['reason']}")
            if row["accepted"]:
                break
    return _count(config, done)


def _attempt(
    place: _Place,
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
    place: _Place, seed: int, config: GenerateConfig, provenance: Provenance, writer: Policy
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


def _row(place: _Place, attempt: int, found: Scenario | Rejected) -> dict[str, Any]:
    row: dict[str, Any] = {"id": place.id, "attempt": attempt, "heldout": place.heldout}
    if isinstance(found, Scenario):
        return row | {"accepted": True}
    return row | {"accepted": False, "stage": found.stage, "reason": found.reason, "message": found.message}


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as out:
        out.write(line + "\n")
        out.flush()


def _open(path: Path, attempts: Path, header: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The attempts on disk by id; both files are begun or their torn last lines cut."""
    if not attempts.exists():
        if path.exists():
            raise ConfigError(f"{path}: exists, but not as a generation (no {attempts.name}); choose another --out")
        if not path.parent.is_dir():
            raise ConfigError(f"{path.parent}: no such folder")
        path.touch()
        _append(attempts, json.dumps(header))
        return {}
    lines = _whole_lines(attempts)
    rows: list[dict[str, Any]] = []
    try:
        rows = [cast(dict[str, Any], json.loads(line)) for line in lines]
        there = rows[0]
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows[1:]:
            found.setdefault(str(row["id"]), []).append({**row, "accepted": bool(row["accepted"])})
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise CheckpointError(f"{attempts}: line {len(rows) + 1} is damaged ({error})") from error
    for name, value in header.items():
        if there.get(name) != value:
            raise ConfigError(f"{path}: begun with {name} {there.get(name)}, now {value}; choose another --out")
    # A scenario whose attempt was not written any more is accepted all the same.
    for line in _whole_lines(path):
        fields = json.loads(line)
        rows_of = found.setdefault(fields["id"], [])
        if not any(row["accepted"] for row in rows_of):
            row = {
                "id": fields["id"],
                "attempt": len(rows_of),
                "heldout": fields["stratum"] == "heldout",
                "accepted": True,
            }
            rows_of.append(row)
            _append(attempts, json.dumps(row))
    return found


def _whole_lines(path: Path) -> Sequence[bytes]:
    if not path.exists():
        return ()
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        with path.open("r+b") as file:
            file.truncate(len(whole) + 1 if whole else 0)
    return whole.split(b"\n") if whole else ()


def _count(config: GenerateConfig, done: dict[str, list[dict[str, Any]]]) -> Counts:
    counts = Counts()
    for place in places(config.count):
        rows = done.get(place.id, [])
        for row in rows:
            if row["accepted"]:
                counts.accepted += 1
                counts.heldout += bool(row["heldout"])
            else:
                counts.rejected[str(row["stage"]), str(row["reason"])] += 1
        counts.empty += not any(row["accepted"] for row in rows)
    return counts
