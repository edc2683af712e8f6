"""Streams, the oracle that writes them, and a measurement that goes on where it was stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.cli import main
from fairmem.errors import CheckpointError, ConfigError
from fairmem.lengths import LengthSettings, LongStream, measure_length, open_player, report, run_lengths
from fairmem.lengths.report import FILE

SETTINGS = LengthSettings(questions=40)


def test_a_stream_has_its_length_and_no_two_chunks_of_a_wave_or_pairs_of_a_name() -> None:
    stream = LongStream(14_000, seed=3)
    seen: set[str] = set()
    for wave in stream.waves():
        pairs = [chunk.context.speakers for chunk in wave]
        assert len(set(pairs)) == len(pairs)
        turns = [turn.id for chunk in wave for turn in chunk.context.turns]
        assert not seen & set(turns)
        seen |= set(turns)
    assert 14_000 <= stream.tokens_read < 15_500
    assert stream.questions and all(asked.spec.kind not in ("city", "job") for asked in stream.questions)
    again = LongStream(14_000, seed=3)
    assert [len(wave) for wave in again.waves()] and again.questions == stream.questions


def test_the_oracle_remembers_nearly_everything_and_refuses_no_operation() -> None:
    row = measure_length(open_player("oracle"), 12_000, SETTINGS)
    assert row["score"][0] > 0.9 and row["unanswered"] == 0
    assert not [name for name in row["outcomes"] if "unknown" in name or "empty_text" in name or "overflow" in name]
    assert any(name == "CORE applied" for name in row["outcomes"])
    assert row["entries"] > 150 and row["peak_mb"] > 0


def test_a_length_that_was_measured_is_not_measured_again_and_other_settings_are_refused(tmp_path: Path) -> None:
    player, said = open_player("oracle"), list[str]()
    first = run_lengths(player, [2_000], SETTINGS, tmp_path, said.append)
    both = run_lengths(player, [3_000, 2_000], SETTINGS, tmp_path, said.append)
    assert both["lengths"]["2000"] == first["lengths"]["2000"] and set(both["lengths"]) == {"2000", "3000"}
    assert "2,000 tokens: measured before" in said
    with pytest.raises(ConfigError, match="use another --out"):
        run_lengths(player, [2_000], LengthSettings(seed=1), tmp_path)
    with pytest.raises(ConfigError, match="from 1,000 up"):
        run_lengths(player, [5], SETTINGS)
    (tmp_path / FILE).write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        run_lengths(player, [2_000], SETTINGS, tmp_path)


def test_the_table_has_a_row_per_length() -> None:
    result = run_lengths(open_player("oracle"), [2_000], SETTINGS)
    lines = report(result).splitlines()
    assert len(lines) == 5 and len({line.count("|") for line in lines[2:]}) == 1


def test_the_command_writes_table_json_and_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="drawing is the extra 'train'")
    assert main(["lengths", "oracle", "--tokens", "1k,2k", "--questions", "9", "--out", str(tmp_path / "out")]) == 0
    assert "Length generalisation: player oracle" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"lengths.json", "lengths.md", "lengths.png"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["oracle", "--tokens", "many"], "expected numbers such as 30k"),
        (["oracle", "--lanes", "0"], "expected at least 1"),
        (["memory_r2_small", "--tokens", "1k"], "agents.roles is 'two', expected 'writer'"),
    ],
)
def test_a_wrong_word_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lengths", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_model_that_was_never_trained_on_it_is_measured_all_the_same() -> None:
    pytest.importorskip("torch", reason="models are the extra 'train'")
    player = open_player("bundled")
    row = measure_length(player, 1_000, LengthSettings(questions=4, lanes=4))
    player.close()
    assert (
        row["questions"] <= 4 and sum(v for k, v in row["outcomes"].items() if k.startswith("reply")) == row["chunks"]
    )
