"""The same answers by another definition, and without questions whose key is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairmem.errors import ConfigError, DataError
from fairmem.eval import EvalResult, read_bad_keys, rescored, without
from tests.unit.eval.build import HEADER, answer


def _answered(given: str | None, gold: str, category: str = "single_hop", number: int = 1) -> Any:
    score = None if given is None else 0.0
    return answer("c0", number, score, category, answer=given, gold=gold)


def _result(*answers: Any) -> EvalResult:
    return EvalResult(header=HEADER, memories=(), answers=answers)


def test_answers_are_scored_anew_by_the_named_definition_and_the_signature_says_so() -> None:
    result = _result(_answered("New York, New York", "New York, New York"))
    again = rescored(result, "memory_r2_set")
    assert [a.score for a in again.answers] == [0.5]
    assert again.header.signature == "F1[memory_r2_set|squad-norm|no-stem|v1]"
    assert [a.score for a in rescored(result, "bag").answers] == [1.0]


def test_the_category_of_a_question_decides_its_official_score() -> None:
    result = _result(_answered("b, a1", "a1, b", "multi_hop"), _answered("yes", "yes; she does", "open_domain"))
    assert [a.score for a in rescored(result, "locomo").answers] == [1.0, 1.0]


def test_a_failed_call_stays_unscored() -> None:
    assert [a.score for a in rescored(_result(_answered(None, "Lodz")), "locomo").answers] == [None]


def test_questions_without_a_date_are_not_in_the_date_score() -> None:
    result = _result(_answered("May 7, 2023", "7 May 2023"), _answered("Lodz", "Lodz"), _answered(None, "May 2023"))
    assert [a.score for a in rescored(result, "date").answers] == [1.0, None]


def test_an_unknown_definition_is_named() -> None:
    with pytest.raises(ConfigError, match="score 'f2' is unknown; expected one of bag, locomo"):
        rescored(_result(), "f2")


def _record(question: str, gold: object, kind: str = "TEMPORAL_ERROR") -> dict[str, object]:
    return {"question_id": "locomo_1_qa1", "question": question, "golden_answer": gold, "error_type": kind}


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"total": 3, "errors": {"conv_0": rows}}])
def test_listed_questions_are_left_out_by_their_text_but_citation_errors_stay(tmp_path: Path, wrap: Any) -> None:
    first, second, third = (_answered("x", gold, number=n) for n, gold in ((1, "Lodz"), (2, "Lodz"), (3, "7")))
    path = tmp_path / "errors.json"
    rows = [
        _record(first.text.upper() + "!", "lodz"),
        _record(second.text, "Lodz", "WRONG_CITATION"),
        _record(third.text, 7),
    ]
    path.write_text(json.dumps(wrap(rows)))
    rest = without(_result(first, second, third), read_bad_keys(path))
    assert [a.question for a in rest.answers] == ["q2"]
    assert rest.header.excluded == 2


def test_the_same_question_with_another_answer_is_another_question(tmp_path: Path) -> None:
    path = tmp_path / "errors.json"
    path.write_text(json.dumps([_record(_answered("x", "Lodz").text, "Łódź")]))
    assert len(without(_result(_answered("x", "Lodz")), read_bad_keys(path)).answers) == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "no such file; --exclude takes a file such as errors.json of locomo-audit"),
        ("{", "cannot be read as JSON"),
        ('[{"question": "x"}]', "no record with 'question' and 'golden_answer'"),
        ("7", "no record with"),
    ],
)
def test_a_bad_file_gets_one_clear_line(tmp_path: Path, content: str | None, complaint: str) -> None:
    path = tmp_path / "errors.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=complaint) as caught:
        read_bad_keys(path)
    assert "\n" not in str(caught.value)
