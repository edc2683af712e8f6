from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.cli import main
from fairmem.data import DATASETS, load


def test_generated_conversations_read_back_as_locomo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "village.json"
    assert main(["data", "generate", str(file), "--conversations", "2", "--sessions", "3", "--seed", "5"]) == 0
    made = load("locomo", file)
    assert made == load("village", seed=5, split="test", conversations=2, sessions=3)
    assert capsys.readouterr().out.startswith(f"{file}: 2 conversations of 3 sessions, ")


def test_equal_seeds_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert main(["data", "generate", str(tmp_path / name), "--conversations", "1", "--sessions", "2"]) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_is_written_over_only_by_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "village.json"
    file.write_text("precious")
    assert main(["data", "generate", str(file), "--conversations", "1"]) == 2
    assert "exists; --force writes over it" in capsys.readouterr().err
    assert file.read_text() == "precious"
    assert main(["data", "generate", str(file), "--conversations", "1", "--force"]) == 0
    assert file.read_text() != "precious"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--conversations", "0"], "--conversations: found 0, expected at least 1"),
        (["--sessions", "0"], "sessions"),
        (["--split", "dev"], "dev"),
        (["--difficulty", "2"], "difficulty"),
    ],
)
def test_a_value_out_of_range_is_named_and_nothing_is_written(
    arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "generate", str(tmp_path / "v.json"), *arguments]) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "v.json").exists()


def test_a_missing_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "generate", str(tmp_path / "no" / "v.json")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_every_dataset_is_listed_with_its_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(spec.name in listed and spec.licence in listed for spec in DATASETS.values())


def test_the_list_says_which_copies_are_present(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "locomo10.json").write_text("[]")
    assert main(["data", "list", "--in", str(tmp_path)]) == 0
    listed = capsys.readouterr().out
    assert f"present: {tmp_path / 'locomo10.json'}" in listed
    assert f"present: no (chat.json below {tmp_path})" in listed


def test_a_file_is_identified_and_a_bad_one_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "v.json"
    assert main(["data", "generate", str(file), "--conversations", "1", "--sessions", "2"]) == 0
    assert main(["data", "check", str(file)]) == 0
    assert f"{file}: locomo, licence: CC BY-NC 4.0" in capsys.readouterr().out
    assert main(["data", "check", str(file), "--as", "longmemeval"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
