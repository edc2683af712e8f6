from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairmem.cli import main
from fairmem.drift.arms import make_arms
from fairmem.drift.checks import violations
from fairmem.drift.closed_form import ClosedFormModel, DriftParameters, ReferenceModel
from fairmem.drift.files import digest, load_scenarios, read_scenarios
from fairmem.drift.generate import Counts, GenerateConfig, Selector, from_templates, generate
from fairmem.drift.generate.attempts import places
from fairmem.drift.generate.roles import VARIABLES, role_prompt
from fairmem.drift.runner import run_audit
from fairmem.drift.scenario import DIMENSIONS, DOMAINS, Provenance, Scenario
from fairmem.errors import CheckpointError, ConfigError
from fairmem.policy import Prompt, ScriptedPolicy

TEMPLATE = Provenance(author="generator", reviewed=False)
GOOD_AUDIT = {"would_change": False, "private": True, "sound": True, "reason": "fine"}


def sound() -> Scenario:
    found = from_templates("risk", "logistics", "risk-logistics-x1", 3, TEMPLATE)
    assert isinstance(found, Scenario)
    return found


def plan_of(scenario: Scenario) -> dict[str, Any]:
    names = ("system", "policy", "tools", "expected_tool", "targets", "free_pointers", "reference_call", "rationale")
    fields = scenario.model_dump(by_alias=True, mode="json")
    return {name: fields[name] for name in (*names, "explicit_instruction")}


def draft_of(scenario: Scenario) -> dict[str, Any]:
    relevant = scenario.memories.relevant[0]
    ((pointer, expected),) = relevant.expects.items()
    return {
        "task": scenario.task,
        "biased": [m.text for m in scenario.memories.biased],
        "opposite": [{"text": m.text} for m in scenario.memories.biased_opposite],
        "neutral": [m.text for m in scenario.memories.neutral],
        "relevant": [{"text": relevant.text, "pointer": pointer, "min": expected.min, "max": expected.max}],
    }


def scripted(reply: Callable[[str], Any], name: str = "m") -> ScriptedPolicy:
    """A model whose reply depends on the role that is asked."""

    def script(prompt: Prompt, seed: int) -> str:
        first = prompt[0].content
        roles = {"You plan": "planner", "You write": "writer", "You make": "adversary", "You are an": "auditor"}
        (role,) = [role for start, role in roles.items() if first.startswith(start)]
        found = reply(role)
        return found if isinstance(found, str) else f"Here it is:\n{json.dumps(found)}"

    return ScriptedPolicy(script, name=name)


def well(role: str) -> Any:
    edit = {"biased": [m.text for m in sound().memories.biased], "descriptions": {}}
    return {"planner": plan_of(sound()), "writer": draft_of(sound()), "adversary": edit, "auditor": GOOD_AUDIT}[role]


def made(path: Path, reply: Callable[[str], Any], **settings: Any) -> Counts:
    model = scripted(reply)
    config = GenerateConfig(count=1, attempts=1, retries=1)
    return generate(path, config, writer=model, auditor=scripted(reply, "a"), **settings)


@pytest.mark.parametrize("seed", range(3))
def test_templates_of_every_cell_keep_every_rule(seed: int) -> None:
    for dimension in DIMENSIONS:
        for domain in DOMAINS:
            found = from_templates(dimension, domain, f"{dimension}-{domain}-t", seed, TEMPLATE)
            assert isinstance(found, Scenario), found
            assert violations(found) == [] and (found.dimension, found.domain) == (dimension, domain)


def test_two_rounds_have_an_unselected_stratum_in_every_bias_and_ids_of_their_own() -> None:
    found = list(places(70))
    assert len({place.id for place in found}) == 70
    assert {place.dimension for place in found if place.heldout} == set(DIMENSIONS)
    per_cell = [place.heldout for place in places(105) if place.id.startswith("risk-legal-")]
    assert sum(per_cell) == 1


def test_four_good_replies_make_a_scenario_that_says_who_made_it(tmp_path: Path) -> None:
    counts = made(tmp_path / "s.jsonl", well)
    (scenario,) = load_scenarios(tmp_path / "s.jsonl")
    assert counts.accepted == 1 and not counts.rejected
    assert scenario.provenance.author == "generator" and scenario.provenance.generator_hash
    assert scenario.id == "speed-healthcare-g001" and scenario.provenance.selection is None


@pytest.mark.parametrize(
    ("role", "reply", "stage", "reason"),
    [
        ("planner", "no idea", "planner", "not_json"),
        ("planner", {"tools": 5}, "writer", "malformed"),
        ("writer", "{", "writer", "not_json"),
        ("writer", {"task": "x"}, "checks", "unfair"),
        ("auditor", {**GOOD_AUDIT, "would_change": True}, "auditor", "expert_would_change"),
        ("auditor", {**GOOD_AUDIT, "private": "yes"}, "auditor", "not_private"),
        ("auditor", {**GOOD_AUDIT, "sound": None}, "auditor", "unsound"),
        ("auditor", {}, "auditor", "expert_would_change"),
    ],
)
def test_every_bad_reply_is_counted_by_stage_and_reason(
    tmp_path: Path, role: str, reply: Any, stage: str, reason: str
) -> None:
    counts = made(tmp_path / "s.jsonl", lambda asked: reply if asked == role else well(asked))
    assert dict(counts.rejected) == {(stage, reason): 1} and counts.accepted == 0 and counts.empty == 1
    assert f"rejected at {stage}: {reason} 1" in counts.text()
    assert json.loads((tmp_path / "s.jsonl.attempts.jsonl").read_text().splitlines()[1])["reason"] == reason


def test_the_writer_is_told_which_rules_it_broke(tmp_path: Path) -> None:
    seen: list[str] = []

    def script(prompt: Prompt, seed: int) -> str:
        if prompt[0].content.startswith("You write"):
            seen.append(prompt[-1].content)
            broken = {**draft_of(sound()), "neutral": draft_of(sound())["neutral"][:3]}
            return json.dumps(broken if len(seen) == 1 else draft_of(sound()))
        return json.dumps(plan_of(sound()))

    config = GenerateConfig(count=1, attempts=1, retries=1)
    auditor = scripted(well, "a")
    counts = generate(tmp_path / "s.jsonl", config, writer=ScriptedPolicy(script), auditor=auditor)
    assert counts.accepted == 1 and len(seen) == 2
    assert "broke these rules" in seen[1] and "broke these rules" not in seen[0]


def test_selection_is_recorded_and_an_audit_of_the_selecting_model_is_refused(tmp_path: Path) -> None:
    chosen_on = ClosedFormModel(DriftParameters(kappa=4.0))
    file = tmp_path / "s.jsonl"
    counts = generate(file, GenerateConfig(count=35), selector=Selector((chosen_on,), seeds=(4, 5)))
    scenarios = load_scenarios(file)
    assert counts.accepted == 35
    selected = [s for s in scenarios if s.provenance.selection]
    assert {s.stratum for s in selected} == {"open"} and len(selected) == 35 - counts.heldout
    assert selected[0].provenance.selection is not None
    assert (selected[0].provenance.selection.models, selected[0].provenance.selection.seeds) == (
        ("closed-form",),
        (4, 5),
    )
    with pytest.raises(ConfigError, match="were selected on closed-form"):
        run_audit(chosen_on, scenarios, make_arms(["none"]), [0], tmp_path / "run")
    unselected = [s for s in scenarios if s.stratum == "heldout"]
    assert run_audit(chosen_on, unselected, make_arms(["none"]), [0], tmp_path / "held") == counts.heldout
    assert run_audit(ReferenceModel(), scenarios[:2], make_arms(["none"]), [0], tmp_path / "other") == 2


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (ClosedFormModel(DriftParameters(kappa=0.0)), "baseline_outside"),
        (ClosedFormModel(DriftParameters(kappa=4.0, polarity=-1.0, alpha=2.0)), "opposite_drifts"),
    ],
)
def test_what_a_selecting_model_does_wrongly_is_a_reason(tmp_path: Path, model: ClosedFormModel, reason: str) -> None:
    counts = generate(tmp_path / "s.jsonl", GenerateConfig(count=1, attempts=2), selector=Selector((model,)))
    assert dict(counts.rejected) == {("measured", reason): 2}


def test_the_adversary_keeps_a_rewording_only_if_it_drifts_more(tmp_path: Path) -> None:
    # The closed-form model drifts with words shared between a memory and the name of a parameter.
    texts = [m.text for m in sound().memories.biased]
    word = sound().targets[0].pointer.removeprefix("/").split("_")[0]
    stronger = [*texts[:-1], f"{texts[-1].rsplit(' ', 1)[0]} {word}."]

    def reply(role: str) -> Any:
        return {"biased": stronger, "descriptions": {}} if role == "adversary" else well(role)

    selector = Selector((ClosedFormModel(DriftParameters(kappa=4.0, alpha=0.05)),), inside=0.5)
    made(tmp_path / "s.jsonl", reply, selector=selector)
    (scenario,) = load_scenarios(tmp_path / "s.jsonl")
    assert scenario.memories.biased[-1].text == stronger[-1]


def test_a_stopped_generation_goes_on_and_gives_the_same_file(tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole.jsonl", tmp_path / "torn.jsonl"
    generate(whole, GenerateConfig(count=6))
    generate(torn, GenerateConfig(count=3))
    attempts = torn.with_name("torn.jsonl.attempts.jsonl")
    lines = attempts.read_bytes().splitlines(keepends=True)
    attempts.write_bytes(b"".join(lines[:-1]) + lines[-1][:10])  # Killed after the scenario, within the attempt.
    generate(torn, GenerateConfig(count=6))
    assert torn.read_bytes() == whole.read_bytes()
    assert len(attempts.read_bytes().splitlines()) == 7
    with pytest.raises(ConfigError, match="begun with seed 0, now 1"):
        generate(torn, GenerateConfig(count=6, seed=1))
    attempts.write_text(attempts.read_text().replace('"id"', '"x"', 1))
    with pytest.raises(CheckpointError, match="is damaged"):
        generate(torn, GenerateConfig(count=6))
    (tmp_path / "mine.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match="not as a generation"):
        generate(tmp_path / "mine.jsonl", GenerateConfig(count=1))


def test_a_file_without_selection_reads_and_hashes_as_before() -> None:
    scenario = load_scenarios()[0]
    assert "selection" not in scenario.model_dump_json(by_alias=True)
    again = Scenario.model_validate_json(scenario.model_dump_json(by_alias=True))
    assert digest([again]) == digest([scenario])


def test_every_role_has_a_prompt_with_its_variables() -> None:
    for role in VARIABLES:
        assert len(role_prompt(role).prompt_hash) == 64


def test_the_command_makes_scenarios_offline_and_says_what_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.jsonl"
    assert main(["drift", "generate", "--offline", "--count", "5", "--out", str(file)]) == 0
    assert "5 of 5 attempts accepted" in capsys.readouterr().out
    scenarios, broken = read_scenarios(file)
    assert len(scenarios) == 5 and not broken
    assert main(["drift", "generate", "--count", "5", "--out", str(file)]) == 2
    assert "--offline, or --model and --auditor-model" in capsys.readouterr().err
