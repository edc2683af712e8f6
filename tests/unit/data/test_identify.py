"""What a file is, by its shape; and what it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairmem.data import DATASETS, identify, load, present
from fairmem.data.identify import looks_like
from fairmem.errors import ConfigError, DataError
from tests.unit.data.samples import tiny_locomo
from tests.unit.data.test_benchmarks import chat, dmr, mem, persona, row
from tests.unit.data.test_longmemeval import item

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no samples in {SHARED}")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("locomo", [tiny_locomo()]),
        ("longmemeval", [item()]),
        ("membench", {"simple": {"roles": [mem(["x"])]}}),
        ("msc_self_instruct", dmr()),
        ("memory_agent_bench", row()),
        ("msc", {"initial_data_id": "v0", "dialog": [{"id": "bot_0", "text": "Hi"}]}),
    ],
)
def test_a_file_is_known_by_its_shape(tmp_path: Path, name: str, content: Any) -> None:
    path = tmp_path / "mystery"
    path.write_text(json.dumps(content))
    found = identify(path)
    assert (found.name, found.conversations) == (name, 1)


def test_a_folder_is_known_by_its_files(tmp_path: Path) -> None:
    assert looks_like(persona(tmp_path / "p")) == "personamem"
    assert looks_like(chat(tmp_path / "b" / "1").parent) == "beam"
    with pytest.raises(DataError, match="a folder of no known dataset"):
        identify(tmp_path / "b" / "1" / "probing_questions")


def test_what_it_holds_is_counted_with_the_category_mix_and_repairs(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([tiny_locomo()]))
    found = identify(path)
    assert (found.sessions, found.turns, found.questions, found.without_evidence) == (2, 3, 7, 1)
    assert found.categories == {
        "multi_hop": 1,
        "temporal": 1,
        "open_domain": 1,
        "single_hop": 2,
        "adversarial": 2,
    }
    text = str(found)
    assert "checksum: none of the published files" in text
    assert "note: conversation 'conv-1' question 3: evidence 'D' dropped, no such turn" in text


def test_a_published_file_is_known_by_its_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    path = tmp_path / "x.json"
    path.write_text(json.dumps([tiny_locomo()]))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(DATASETS["locomo"].checksums, digest, "tiny.json")  # pyright: ignore[reportArgumentType]
    assert "checksum: the published tiny.json" in str(identify(path))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[]", "of no known dataset"),
        ('{"a": 1}', "of no known dataset"),
        ("hello", "neither JSON nor JSON lines"),
    ],
)
def test_what_is_no_dataset_gets_one_clear_line(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "x"
    path.write_text(content)
    with pytest.raises(DataError, match=complaint) as caught:
        identify(path)
    assert "\n" not in str(caught.value)


def test_a_missing_path_and_an_unknown_name_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        identify(tmp_path / "no")
    with pytest.raises(ConfigError, match="unknown dataset 'x'"):
        identify(tmp_path, "x")


def test_a_copy_is_found_by_its_usual_name(tmp_path: Path) -> None:
    assert present(DATASETS["locomo"], tmp_path) == []
    assert present(DATASETS["locomo"], tmp_path / "no") == []
    (tmp_path / "deep").mkdir()
    for name in ("deep/locomo10.json", "locomo_part.json"):
        (tmp_path / name).write_text("[]")
    assert present(DATASETS["locomo"], tmp_path) == [tmp_path / "locomo_part.json", tmp_path / "deep" / "locomo10.json"]


@needs_data
def test_the_shared_development_file_is_identified() -> None:
    found = identify(SHARED / "locomo" / "locomo_dev3.json")
    assert (found.name, found.conversations, found.sessions, found.turns, found.questions) == (
        "locomo",
        3,
        88,
        2044,
        590,
    )
    assert len(found.notes) == 2


def test_a_part_of_a_published_set_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "l.json"
    path.write_text("\ufeff" + json.dumps([item()]), encoding="utf-8")  # as some editors save it
    text = str(identify(path))
    assert "1 conversation, " in text and "1 of the published 500 questions: a part, or another release" in text


def test_half_a_surrogate_pair_in_a_file_is_replaced_and_pairs_stay(tmp_path: Path) -> None:
    path = tmp_path / "l.json"
    path.write_text(json.dumps([item(question="\ud83d \U0001f600?")]))
    question = load("longmemeval", path)[0].questions[0]
    assert question.text.startswith("? \U0001f600?")
    question.text.encode()


def test_a_table_of_something_else_is_of_no_known_dataset(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="of no known dataset"):
        identify(path)


def test_copies_are_found_by_the_name_of_their_folder(tmp_path: Path) -> None:
    (tmp_path / "longmemeval").mkdir()
    (tmp_path / "longmemeval" / "sample.json").write_text("[]")
    assert [file.name for file in present(DATASETS["longmemeval"], tmp_path)] == ["sample.json"]
