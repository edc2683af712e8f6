from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairmem.cli import main
from fairmem.drift.arms import make_arms
from fairmem.drift.closed_form import ClosedFormModel, DriftParameters
from fairmem.drift.runner import run_audit
from fairmem.drift.through import AgentMemory, SystemMemory, report_systems, run_systems
from fairmem.errors import CheckpointError, ConfigError
from tests.unit.drift.through.build import Planned, approval
from tests.unit.drift.through.test_conversion import NONE, ONE, TWO
from tests.unit.policy.conftest import Answer, Endpoint, completion

ARMS = make_arms(["none", "none2", "biased-2", "relevant"])
SCENARIOS = [approval(n) for n in (1, 2, 3)]
MODEL = ClosedFormModel(DriftParameters(alpha=0.3, kappa=1.0, beta=2.0))
HALF = Planned({("risk-test-2", "biased-2"): ["b2"], ("risk-test-3", "biased-2"): []})


def compare(folder: Path, memories: dict[str, AgentMemory | None], **options: Any) -> dict[str, Any]:
    run_systems(MODEL, SCENARIOS, ARMS, [0], folder, memories, **options)
    report_systems(folder)
    return json.loads((folder / "comparison.json").read_text())


def test_memories_are_compared_with_direct_injection_scenario_by_scenario(tmp_path: Path) -> None:
    content = compare(tmp_path / "a", {"direct": None, "half": HALF, "verbatim": SystemMemory("verbatim")})
    assert (content["format"], content["version"], content["main"]) == ("fairmem-drift-comparison", 1, "biased-2")
    direct, half, verbatim = content["systems"]
    assert [direct["name"], half["name"], verbatim["name"]] == ["direct", "half", "verbatim"]
    assert direct["delta"]["mean"] == pytest.approx(TWO - NONE, abs=1e-9) and direct["minus_direct"] is None
    # Half sees TWO, ONE and NONE where direct sees TWO three times.
    assert half["delta"]["mean"] == pytest.approx((TWO + ONE + NONE) / 3 - NONE, abs=1e-9)
    assert half["minus_direct"]["mean"] == pytest.approx((ONE + NONE - 2 * TWO) / 3, abs=1e-9)
    # Two differences that are not 0 have four sign patterns; two of them are as large, and Holm doubles it.
    assert half["minus_direct_p"] == pytest.approx(1.0) and direct["minus_direct_p"] is None
    assert half["main"]["exposed"]["count"] == 2 and half["main"]["change"]["mean"] == pytest.approx(
        (TWO + ONE) / 2 - NONE, abs=1e-9
    )
    # Two told turns of five are in the prompt of five entries, so verbatim is exposed as direct is.
    assert verbatim["minus_direct"]["mean"] == pytest.approx(0.0, abs=1e-9) and verbatim["builds"] == 6


def test_the_comparison_says_the_same_in_every_format(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    content = compare(folder, {"direct": None, "half": HALF}, skipped={"mem0": "not <here>"})
    text = report_systems(folder)
    shown = f"{content['systems'][1]['main']['change']['mean']:+.3f}"
    assert shown in text and shown in (folder / "comparison.md").read_text()
    page = (folder / "comparison.html").read_text()
    assert shown in page and "<script" not in page and "not &lt;here&gt;" in page
    assert "SKIPPED: mem0: not <here>" in text and content["skipped"] == {"mem0": "not <here>"}
    assert "Exposure to biased-2" in text and "Conversion of biased-2" in text and "2/3" in text
    run_report = (folder / "half" / "report.md").read_text()
    assert "## Exposure" in run_report and "## Conversion" in run_report and "relevant (success)" in run_report
    through = json.loads((folder / "half" / "report.json").read_text())["through"]
    assert through["memory"] == "planned" and [one["arm"] for one in through["arms"]] == ["biased-2", "relevant"]
    assert json.loads((folder / "direct" / "report.json").read_text())["through"] is None


def test_a_comparison_goes_on_takes_more_memories_and_says_what_is_not_done(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    compare(folder, {"direct": None})

    class Killed(Planned):
        def recall(self, *arguments: Any, **options: Any) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_systems(MODEL, SCENARIOS, ARMS, [0], folder, {"direct": None, "half": Killed({}), "late": HALF})
    text = report_systems(folder)
    assert "INCOMPLETE: half has 0 of 12 trials" in text and "SKIPPED: late: not begun" in text
    content = compare(folder, {"half": HALF})
    assert [one["name"] for one in content["systems"]] == ["direct", "half"]
    assert content["skipped"] == {"late": "not begun"} and content["systems"][1]["complete"] is True


def test_folders_of_something_else_are_refused(tmp_path: Path) -> None:
    run_audit(MODEL, SCENARIOS, ARMS, [0], tmp_path / "run")
    with pytest.raises(ConfigError, match="not the folder of a comparison"):
        run_systems(MODEL, SCENARIOS, ARMS, [0], tmp_path / "run", {"direct": None})
    compare(tmp_path / "a", {"direct": None})
    run_systems(MODEL, SCENARIOS[:2], ARMS, [0], tmp_path / "a", {"half": HALF})
    with pytest.raises(ConfigError, match="differ in model, scenarios, arms or seeds"):
        report_systems(tmp_path / "a")
    (tmp_path / "a" / "systems.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"systems\.json is damaged"):
        report_systems(tmp_path / "a")


def test_without_a_biased_arm_there_is_nothing_to_compare_but_the_rest_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    run_systems(MODEL, SCENARIOS, make_arms(["none", "relevant"]), [0], folder, {"direct": None, "half": HALF})
    text = report_systems(folder)
    assert "no drift to compare" in text and "Relevant memory" in text and "Exposure to" not in text


def test_the_command_audits_an_endpoint_through_memories(
    endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The endpoint calls tools, and writes the summaries: it reads what it is told back, line by line."""
    arguments = {"build": "b", "health_seconds": 200, "strategy": "canary"}

    def reply(body: dict[str, Any]) -> Answer:
        text = json.dumps(body["messages"])
        if not body.get("tools"):
            lines = [line for line in body["messages"][-1]["content"].splitlines() if line.startswith("Robin: ")]
            return completion("\n".join(f"- {line}" for line in lines) or "OK")
        probe = "set_kitchen_timer" in json.dumps(body)
        call = {"minutes": 4} if probe else {**arguments, "approval": "Jumps from" not in text}
        name = "set_kitchen_timer" if probe else "start_rollout"
        function = {"name": name, "arguments": json.dumps(call)}
        return completion(message={"content": None, "tool_calls": [{"function": function}]}, finish="tool_calls")

    endpoint.otherwise = reply
    file = tmp_path / "s.jsonl"
    file.write_text("".join(s.model_dump_json(by_alias=True) + "\n" for s in SCENARIOS))
    out = tmp_path / "audit"
    argv = ["drift", "run", "--model", "openai:tiny", "--base-url", endpoint.base_url, "--scenarios", str(file)]
    argv += ["--seeds", "0,1", "--doses", "2", "--arms", "none,none2,biased,relevant", "--out", str(out)]
    argv += ["--through", "direct,summary,verbatim"]
    assert main(argv) == 0, capsys.readouterr().err
    shown = capsys.readouterr().out
    assert "Memory drift of openai:tiny through 3 memories" in shown
    content = json.loads((out / "comparison.json").read_text())
    for system in content["systems"]:
        # The endpoint drops the approval as soon as b1 is in its prompt, however it got there.
        assert system["delta"]["mean"] == 1.0 and system["main"]["exposed"]["count"] == 3, system["name"]
        assert system["main"]["change"]["mean"] == 1.0 and system["settings"].get("top_k", 5) == 5
    summary = content["systems"][1]
    assert summary["settings"]["memory_model"] == "openai:tiny" and summary["calls"] == summary["builds"] == 6
    assert summary["main"]["content"]["mean"] == 1.0

    before = len(endpoint.bodies)
    assert main(argv) == 0
    new = [b for b in endpoint.bodies[before:] if "set_kitchen_timer" not in json.dumps(b)]
    assert new == []  # neither memories nor trials
    capsys.readouterr()
    assert main(["drift", "report", str(out)]) == 0
    assert "Exposure to biased-2" in capsys.readouterr().out
    assert main([*argv[:-1], "direct,notes"]) == 2
    assert "memory 'notes' is unknown" in capsys.readouterr().err
    assert main([*argv[:-1], "summary", "--memory-model", "scripted"]) == 2
    assert "reads compact prompts" in capsys.readouterr().err
