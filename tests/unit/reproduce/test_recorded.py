"""A report that is there: its runs count as finished without their folders, and its other groups are kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fairmem.errors import DataError
from fairmem.reproduce import Matrix, load_matrix, page, plan_runs, read_report, report, run_matrix, save
from tests.unit.reproduce.build import TEXT, finish, matrix

SCORES = {("grpo", 0): 0.25, ("grpo", 1): 0.5, ("logo", 0): 0.5, ("logo", 1): 0.625}


def made(made: Matrix, folder: Path, seeds: list[int], earlier: dict[str, Any] | None = None) -> dict[str, Any]:
    """The report of `seeds` whose runs are finished in `folder`."""
    runs = plan_runs(made, seeds, folder, earlier=earlier)
    for run in runs:
        score = SCORES.get((run.arms[0][1], run.seed))
        if score is not None and run.row is None:
            finish(run.folder, 0.125, score)
    return report(made, runs, {}, earlier=earlier)


def test_recorded_runs_are_not_trained_again_and_their_differences_are_the_same(tmp_path: Path) -> None:
    credit = matrix(tmp_path).only(["credit"])
    first = made(credit, tmp_path / "runs", [0, 1])
    elsewhere = plan_runs(credit, [0, 1], tmp_path / "elsewhere", earlier=json.loads(json.dumps(first)))
    assert all(run.finished and not run.here for run in elsewhere)
    said: list[str] = []
    assert run_matrix(credit, elsewhere, 1, said.append) == {} and said == ["4 runs, 4 finished; about 0s left"]
    assert report(credit, elsewhere, {}, earlier=first) == first


def test_further_seeds_are_added_to_those_of_the_report(tmp_path: Path) -> None:
    credit = matrix(tmp_path).only(["credit"])
    first = made(credit, tmp_path / "a", [1])
    both = made(credit, tmp_path / "b", [0], first)
    group = both["groups"][0]
    assert group["command"] == "fairmem reproduce --only credit --seeds 0,1" and group["finished"] == 4
    # Seed 0 is here, seed 1 in the report only.
    assert [row["difference"] for row in group["arms"][1]["seeds"]] == [0.25, 0.125]
    assert group["arms"][1]["difference"]["n"] == 2


def test_a_run_of_another_setting_model_or_budget_is_not_the_recorded_one(tmp_path: Path) -> None:
    credit = matrix(tmp_path).only(["credit"])
    first = made(credit, tmp_path / "runs", [0])

    def known(text: str = TEXT, budget: int | None = None, **changes: Any) -> list[bool]:
        arms = [{**arm, **changes} for arm in first["groups"][0]["arms"]]
        earlier = {**first, "groups": [{**first["groups"][0], "arms": arms}]}
        other = matrix(tmp_path, text).only(["credit"])
        return [run.finished for run in plan_runs(other, [0], tmp_path / "new", budget, earlier)]

    assert known() == [True, True]
    assert known(budget=2000) == [False, False]
    assert known(weights="others") == [False, False]
    assert known(TEXT.replace('"credit.rule=grpo", ', '"credit.rule=rloo", ')) == [False, True]
    # How rows are packed changes nothing but rounding; a key that was not there then stands at what was done then.
    settings = json.loads(json.dumps(first["groups"][0]["arms"][1]["settings"]))
    settings["learner"]["pack_tokens"] = 4096
    del settings["rollout"]["temperature"]
    assert known(settings=settings) == [False, True]


def test_difference_of_recorded_runs_needs_every_question_scored(tmp_path: Path) -> None:
    credit = matrix(tmp_path).only(["credit"])
    first = made(credit, tmp_path / "runs", [0])
    first["groups"][0]["arms"][0]["seeds"][0]["unscored"] = 1
    again = report(credit, plan_runs(credit, [0], tmp_path / "new", earlier=first), {}, earlier=first)
    assert again["groups"][0]["arms"][1]["seeds"][0]["difference"] is None
    assert again["groups"][0]["arms"][1]["f1"]["mean"] == 0.5


def test_groups_that_were_not_asked_for_are_kept_in_the_order_of_the_matrix(tmp_path: Path) -> None:
    whole = matrix(tmp_path)
    later = report(whole.only(["curriculum"]), plan_runs(whole.only(["curriculum"]), [0], tmp_path / "runs"), {})
    both = made(whole.only(["credit"]), tmp_path / "runs", [0, 1], later)
    assert [group["name"] for group in both["groups"]] == ["credit", "curriculum"]
    assert both["groups"][1] == later["groups"][0]
    assert "4 of 6 runs are finished" in page(both)  # 4 of 4, and 0 of 2


def test_the_report_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    credit = matrix(tmp_path).only(["credit"])
    assert read_report(tmp_path, credit, "w") is None
    found = {**made(credit, tmp_path / "runs", [0]), "weights": "w"}
    path = tmp_path / "reproduce.json"
    save(found, path)
    assert read_report(tmp_path, credit, "w") == found
    with pytest.raises(DataError, match=r"its weights is 'w', that of these runs 'v'; choose another folder"):
        read_report(tmp_path, credit, "v")
    with pytest.raises(DataError, match="its title is"):
        read_report(tmp_path, load_matrix(Path("recipes")), "w")
    save({**found, "version": 1}, path)
    with pytest.raises(DataError, match="its version is 1, that of these runs 2"):
        read_report(tmp_path, credit, "w")
    for text in ("[]", "{", '{"format": 1}'):
        path.write_text(text)
        with pytest.raises(DataError, match=r"reproduce\.json: not a report of fairmem reproduce"):
            read_report(tmp_path, credit, "w")
    assert path.read_text() == '{"format": 1}'


def test_a_folder_that_an_arm_of_another_group_has_named_is_found_again(tmp_path: Path) -> None:
    # With one budget for all, the arm `direct` is `logo`.
    whole = matrix(tmp_path, TEXT.replace("budget = 2.0", "budget = 1.0"))
    out = tmp_path / "runs"
    logo = next(run for run in plan_runs(whole, [0], out) if run.arms[0][1] == "logo")
    finish(logo.folder, 0.25, 0.5)
    direct = plan_runs(whole.only(["curriculum"]), [0], out)[0]
    assert direct.folder == logo.folder and direct.finished
    shutil.rmtree(out)
    assert plan_runs(whole.only(["curriculum"]), [0], out)[0].folder.name.startswith("direct-")
