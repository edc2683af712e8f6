from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fairmem
from fairmem import cli
from fairmem.cli import demo, main, parse
from fairmem.cli.reference import commands, markdown


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"fairmem {fairmem.__version__}\n"


def test_bad_input_is_one_line_on_standard_error_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "no_such_recipe"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fairmem: error: no_such_recipe: no such recipe file")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["data"], "the following arguments are required: ACTION"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["train", "r", "--nme", "x"], "unrecognized arguments: --nme x"),
        (["train", "r", "seed=1", "--name", "x", "stray"], "unrecognized arguments: stray"),
        (["eval", "locomo", "seed=1"], "unrecognized arguments: seed=1"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_code_2(
    argv: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("fairmem: error: ") and expected in err
    assert err.count("\n") == 1


def test_an_interrupt_is_code_130_with_a_line_on_what_was_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupt)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "\nfairmem: interrupted; the demo writes nothing\n"


def test_overrides_may_stand_on_both_sides_of_an_option() -> None:
    args = parse(["train", "r.toml", "seed=1", "--name", "x", "learner.lr=2"])
    assert args.overrides == ["seed=1", "learner.lr=2"]
    assert args.name == "x"
    assert parse(["train", "r.toml"]).overrides == []


def test_every_command_says_what_it_does_and_what_an_interrupt_leaves() -> None:
    parsers = list(commands(cli.build_parser()))
    assert [p.prog for p in parsers] == [
        "fairmem train",
        "fairmem seeds",
        "fairmem reproduce",
        "fairmem eval",
        "fairmem judge",
        "fairmem compare",
        "fairmem report",
        "fairmem lab",
        "fairmem lengths",
        "fairmem demo",
        "fairmem data list",
        "fairmem data check",
        "fairmem data generate",
        "fairmem pretrain",
        "fairmem drift validate",
        "fairmem drift run",
        "fairmem drift report",
        "fairmem drift judge",
        "fairmem drift defend",
        "fairmem drift scan",
        "fairmem drift confirm",
        "fairmem drift probe",
        "fairmem drift generate",
    ]
    for parser in parsers:
        assert parser.description
        assert callable(parser.get_default("run")) and callable(parser.get_default("interrupted"))


def test_the_reference_holds_every_command() -> None:
    text = markdown()
    assert all(f"## {parser.prog}\n" in text for parser in commands(cli.build_parser()))


def test_help_needs_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['numpy'] = None\nfrom fairmem.cli import main; main(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "usage: fairmem" in done.stdout


def test_python_dash_m_is_the_same_program() -> None:
    done = subprocess.run([sys.executable, "-m", "fairmem", "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"fairmem {fairmem.__version__}\n"


def test_a_reader_that_stops_early_is_no_error() -> None:
    # `head` closes the pipe after one line; the demo must not print a traceback.
    shell = f"'{sys.executable}' -u -m fairmem demo | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, cwd=Path(__file__).parent)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].startswith("Session 1")
