"""Two evaluations, question by question."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.errors import CheckpointError, ConfigError
from fairmem.eval import BadKeys, compare_results, format_comparison, write_comparison
from fairmem.eval.comparison import load_evaluation
from fairmem.metrics import normalise
from tests.unit.eval.build import result

FIRST = [[0.0, 0.0, 1.0], [0.0, 1.0, None]]
SECOND = [[1.0, 0.5, 0.0], [0.4, 1.0, 1.0]]


def test_questions_that_flip_are_listed_gains_first_and_tested() -> None:
    found = compare_results(result(FIRST), result(SECOND))
    # c0: q0 0 -> 1 and q1 0 -> 0.5 gained, q2 1 -> 0 lost; c1: q0 0 -> 0.4 stays wrong, q2 has no first score
    assert [(f.conversation, f.question, f.gained) for f in found.flips] == [
        ("c0", "q0", True),
        ("c0", "q1", True),
        ("c0", "q2", False),
    ]
    assert (found.gained, found.p_mcnemar) == (2, 1.0)  # 2 against 1: 2 * (1 + 3) / 8
    assert found.flips[0].first == "answer 0" and found.flips[0].second == "answer 1"


def test_the_difference_is_second_minus_first_over_pairs_scored_in_both() -> None:
    change = compare_results(result(FIRST), result(SECOND)).change
    assert change.overall.difference == pytest.approx((1 + 0.5 - 1 + 0.4 + 0) / 5)
    assert (change.overall.n, change.overall.unscored) == (5, 1)
    assert change.categories["temporal"].difference == pytest.approx(0.25)  # q1 of both: +0.5 and 0


def test_numbers_of_other_definitions_are_refused_unless_told_to() -> None:
    first, second = result(FIRST), result(SECOND, signature="F1[locomo|squad-norm+and|stem|v1]")
    with pytest.raises(
        ConfigError, match=r"a is scored by F1\[bag.*, b by F1\[locomo.*--score NAME.*--mixed"
    ) as caught:
        compare_results(first, second, ("a", "b"))
    assert "\n" not in str(caught.value)
    text = format_comparison(compare_results(first, second, mixed=True))
    assert "DIFFERENT QUANTITIES" in text
    assert "F1[bag|squad-norm|no-stem|v1] against F1[locomo" in text


def test_scoring_both_anew_makes_them_comparable() -> None:
    first, second = result(FIRST), result(SECOND, signature="F1[locomo|squad-norm+and|stem|v1]")
    found = compare_results(first, second, score="em")
    assert found.first.header.signature == found.second.header.signature == "EM[exact|squad-norm|no-stem|v1]"


def test_known_bad_keys_are_left_out_of_both() -> None:
    bad = BadKeys("errors.json", frozenset({(normalise("Question 0 of c0?"), "lodz")}))
    found = compare_results(result(FIRST), result(SECOND), bad=bad)
    assert found.change.overall.n == 4
    assert [f.question for f in found.flips] == ["q1", "q2"]


def test_evaluations_of_other_questions_are_refused() -> None:
    with pytest.raises(ConfigError, match="no question in common"):
        compare_results(result([[1.0]]), result([]))


def test_settings_that_differ_are_shown() -> None:
    found = compare_results(result(FIRST), result(SECOND, answerer="other", shown_per_speaker=30))
    assert found.differs == ("answerer\tfrozen\tother", "shown_per_speaker\t8\t30")
    text = format_comparison(found)
    assert "What else differs" in text and "Questions that flipped" in text
    assert "2 became right, 1 became wrong" in text


def test_the_files_hold_the_same_numbers(tmp_path: Path) -> None:
    found = compare_results(result(FIRST), result(SECOND), ("a", "b"))
    write_comparison(found, tmp_path)
    content = json.loads((tmp_path / "compare.json").read_text())
    assert (content["format"], content["version"], content["gained"], content["lost"]) == (
        "fairmem-comparison",
        1,
        2,
        1,
    )
    assert content["score"]["difference"] == pytest.approx(0.18)
    assert len(content["flips"]) == 3
    html = (tmp_path / "compare.html").read_text()
    assert html.startswith("<!DOCTYPE html>") and "<script" not in html
    assert "| gained |" in (tmp_path / "compare.md").read_text()


def test_a_comparison_without_an_interval_is_still_json(tmp_path: Path) -> None:
    write_comparison(compare_results(result([[0.0]]), result([[1.0]])), tmp_path)
    assert json.loads((tmp_path / "compare.json").read_text())["score"]["low"] is None


def test_an_evaluation_is_found_in_its_folder_and_in_that_of_a_run(tmp_path: Path) -> None:
    result(FIRST).save(tmp_path / "eval_after.jsonl")
    assert load_evaluation(tmp_path) == result(FIRST)
    result(SECOND).save(tmp_path / "eval.jsonl")
    assert load_evaluation(tmp_path) == result(SECOND)
    assert load_evaluation(tmp_path / "eval_after.jsonl") == result(FIRST)
    with pytest.raises(CheckpointError, match=r"no/eval\.jsonl: no such evaluation|no: no such evaluation"):
        load_evaluation(tmp_path / "no")


def test_budget_seed_and_judge_that_differ_are_shown() -> None:
    first = result(FIRST)
    header = first.header.model_copy(update={"budget": 500, "seed": 7, "judge": "j"})
    found = compare_results(first, first.model_copy(update={"header": header}))
    assert found.differs == ("budget\t0\t500", "seed\t0\t7", "judge\t\tj")
