from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.cli import main

SHORT = ["memory_r2_qwen2.5_3b", "stages=[{sessions = 2, steps = 3}]", "agents.chunks_per_session=2"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_recipe_that_fits_is_printed_and_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SHORT, "--gpus", "8xH100", "--answerer-gpus", "4xH100"]) == 0
    out = capsys.readouterr().out
    assert "memory_r2_qwen2.5_3b on 8xH100, engine verl" in out and "GPU hours" in out


def test_one_that_does_not_fit_ends_with_1_and_says_what_to_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SHORT, "--gpus", "1xRTX4090"]) == 1
    assert "does not fit: learning: " in capsys.readouterr().out


def test_one_gpu_means_the_embedded_engine_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    main(["plan", *SHORT, "--gpus", "H200"])
    assert "on 1xH200, engine embedded" in capsys.readouterr().out
    main(["plan", *SHORT, "--gpus", "H200", "--engine", "verl"])
    assert "1 GPUs cannot be cut into servers of 2" in capsys.readouterr().out


def test_machines_are_compared_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SHORT, "--compare", "8xH100,8xRTX4090"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[2].endswith("does not fit: learning")


def test_json_holds_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SHORT, "--gpus", "8xH100", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["machine"] == "8xH100" and values["model"]["parameters"] == 3_085_938_688
    assert main(["plan", *SHORT, "--compare", "8xH100,4xH200", "--json"]) == 0
    assert [plan["machine"] for plan in json.loads(capsys.readouterr().out)] == ["8xH100", "4xH200"]


def test_an_assumption_is_changed_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", SHORT[0], "--assumptions", "--set", "efficiency.decode=0.4"]) == 0
    assert "(changed from 0.6)" in capsys.readouterr().out


def test_a_config_file_gives_the_shape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps({"num_hidden_layers": 1, "hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2,
                    "vocab_size": 16})
    )  # fmt: skip
    assert main(["plan", *SHORT, "--gpus", "2xL4", "--model-config", str(config)]) == 0
    assert "0.00 M parameters, 32 bytes of cache per token (given)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--gpus", "8xH1OO"], "expected COUNTxKIND"),
        (["--gpus", "8xH100", "--compare", "4xH200"], "use one"),
        (["--gpus", "8xH100", "--set", "effort=9"], "assumption 'effort': not known"),
        (["--gpus", "8xH100", "--engine", "magic"], "engine 'magic': not known"),
        (["--gpus", "8xH100", "--model-config", "no.json"], "no.json: nothing there"),
        (["--gpus", "8xH100", "--answerer-gpus", "1xL4"], "gpt-oss-120b needs"),
        (["model.path=unheard-of", "--gpus", "8xH100"], "give its config.json with --model-config"),
    ],
)
def test_wrong_words_are_one_line_and_code_2(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *SHORT, *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("fairmem: error: ") and expected in err and err.count("\n") == 1
