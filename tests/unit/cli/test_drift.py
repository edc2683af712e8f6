from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from fairmem.cli import main

TOOLS = {
    "tools": [
        {"name": "push_files", "inputSchema": {"type": "object", "properties": {"force": {"type": "boolean"}}}},
        {"name": "get_rows", "inputSchema": {"type": "object", "properties": {"limit": {"type": "integer"}}}},
    ]
}


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    file = tmp_path / "tools.json"
    file.write_text(json.dumps(TOOLS, indent=1))
    return file


def test_standard_output_is_the_report_alone(tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift", "scan", str(tools), "--format", "json"]) == 1
    out, err = capsys.readouterr()
    assert [finding["tool"] for finding in json.loads(out)["findings"]] == ["push_files"]
    assert err.endswith("tools.json: 2 tools, 1 high, 0 medium, 1 low; complete; exit code 1\n")


@pytest.mark.parametrize("form", ["table", "json", "sarif", "html"])
def test_every_format_goes_to_a_file(form: str, tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tools.with_name("report")
    assert main(["drift", "scan", str(tools), "--format", form, "--output", str(out)]) == 1
    assert "push_files" in out.read_text(encoding="utf-8")
    assert capsys.readouterr().out == ""


def test_standard_input_is_read_for_a_dash(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(TOOLS).encode())))
    assert main(["drift", "scan", "-", "--format", "sarif"]) == 1
    result = json.loads(capsys.readouterr().out)["runs"][0]["results"][0]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "stdin"


def test_a_baseline_makes_the_next_scan_pass(tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tools.with_name("baseline.json")
    assert main(["drift", "scan", str(tools), "--write-baseline", str(file)]) == 1
    assert main(["drift", "scan", str(tools), "--baseline", str(file)]) == 0
    assert "1 more are known to the baseline." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 1),
        (["--threshold", "low"], 1),
        (["--fail-on", "high"], 1),
    ],
)
def test_exit_codes_follow_fail_on(options: list[str], code: int, tools: Path) -> None:
    assert main(["drift", "scan", str(tools), *options]) == code


def test_a_clean_file_is_0_and_low_findings_fail_only_on_request(tools: Path) -> None:
    tools.write_text(json.dumps({"tools": TOOLS["tools"][1:]}))
    assert main(["drift", "scan", str(tools)]) == 0
    assert main(["drift", "scan", str(tools), "--fail-on", "low"]) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '{"tools": []}'])
def test_nothing_to_judge_is_3_and_never_0(text: str, tools: Path) -> None:
    tools.write_text(text)
    assert main(["drift", "scan", str(tools)]) == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "give one of: PATH, --url URL, --stdio COMMAND"),
        (["t.json", "--url", "http://x"], "give one of"),
        (["/no/such/file"], "no such file"),
        (["--stdio", "'"], "--stdio"),
        (["--stdio", "  "], "empty command"),
        (["--url", "http://x", "--run-servers"], "--run-servers needs the PATH"),
        (["t.json", "--timeout", "0"], "--timeout: found 0.0"),
        (["t.json", "--output", "/no/such/folder/f"], "no such folder"),
        (["t.json", "--baseline", "/no/such/file"], "cannot be read"),
    ],
)
def test_wrong_usage_is_2_and_one_line(options: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift", "scan", *options]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and expected in err


def test_confirm_asks_a_model_and_reports(tools: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The scripted policy answers no tool prompt, so nothing can be decided, and that is no clean result.
    options = ["--model", "scripted", "--trials", "1"]
    assert main(["drift", "confirm", str(tools), *options]) == 3
    assert "0 confirmed, 0 moves_with_any_memory, 0 not_shown, 1 undecided" in capsys.readouterr().out
    out = tmp_path / "confirm.json"
    assert main(["drift", "confirm", str(tools), *options, "--format", "json", "--output", str(out)]) == 3
    assert json.loads(out.read_text())["counts"]["undecided"] == 1
    assert main(["drift", "confirm", str(tools), *options, "--limit", "0"]) == 2
