"""The report and its page, from runs whose scores are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairmem.reproduce import draw_differences, draw_frontier, page, plan_runs, report, save
from fairmem.reproduce.frontier import Frontier, Point
from fairmem.reproduce.report import at_the_knee
from tests.unit.reproduce.build import finish, matrix

SCORES = {("grpo", 0): 0.25, ("grpo", 1): 0.5, ("logo", 0): 0.5, ("logo", 1): 0.625}


@pytest.fixture
def found(tmp_path: Path) -> dict[str, Any]:
    """Both arms of the first group over three seeds; the last seed of GRPO failed, that of LoGo is not finished."""
    made = matrix(tmp_path).only(["credit"])
    runs = plan_runs(made, [0, 1, 2], tmp_path)
    for run in runs:
        score = SCORES.get((run.arms[0][1], run.seed))
        if score is not None:
            finish(run.folder, 0.125, score)
    failed = next(run.folder for run in runs if run.seed == 2 and run.arms[0][1] == "grpo")
    return report(made, runs, {failed: "out of memory"})


def test_differences_are_paired_by_seed_and_have_intervals_over_seeds(found: dict[str, Any]) -> None:
    grpo, logo = found["groups"][0]["arms"]
    assert [row["difference"] for row in logo["seeds"]] == [0.25, 0.125]
    assert grpo["difference"] is None and [row["difference"] for row in grpo["seeds"]] == [None, None]
    # Mean 0.1875; deviation 0.088388, of the mean 0.0625; t with 1 degree of freedom is 12.7062.
    assert logo["difference"]["mean"] == 0.1875
    assert logo["difference"]["low"] == pytest.approx(0.1875 - 12.7062 * 0.0625, abs=1e-4)
    # Two differences of one sign: 2 of the 4 sign patterns are as far from 0.
    assert (logo["difference"]["n"], logo["difference"]["p"]) == (2, 0.5)
    assert (logo["f1"]["mean"], logo["gain"]["mean"]) == (0.5625, 0.4375)
    assert (logo["tokens"]["mean"], logo["steps"]["mean"], logo["waves"]["mean"], logo["seconds"]["mean"]) == (
        1200, 2, 30, 12.0,
    )  # fmt: skip
    json.dumps(found, allow_nan=False)


def test_what_is_missing_is_named_and_is_in_no_mean(found: dict[str, Any]) -> None:
    grpo, logo = found["groups"][0]["arms"]
    assert grpo["missing"] == [{"seed": 2, "reason": "out of memory"}]
    assert logo["missing"] == [{"seed": 2, "reason": "not finished"}]
    assert (grpo["f1"]["mean"], grpo["f1"]["n"]) == (0.375, 2)
    group = found["groups"][0]
    assert (group["finished"], group["runs"], group["seeds"], group["budget"]) == (4, 6, [0, 1, 2], 1000)
    assert group["command"] == "fairmem reproduce --only credit --seeds 0,1,2"


def test_the_page_says_who_loses_as_plainly_as_who_wins(found: dict[str, Any]) -> None:
    logo = found["groups"][0]["arms"][1]
    text = page(found)
    assert text.count("4 of 6 runs are finished") == 2 and "- missing: `grpo`, seed 2: out of memory" in text
    # From 0.125 by 0.125 and 0.375: deviation 0.176777, of the mean 0.125, times 12.7062 is 1.588.
    assert "| **grpo** | 0.375 [-1.213, 1.963] | +0.250 [-1.338, +1.838] | baseline |" in text
    assert "| no difference shown | +0.250 +0.125 | 0.500 |" in text
    for low, high, word in ((0.1, 0.2, "better"), (-0.2, -0.1, "worse")):
        logo["difference"] |= {"mean": (low + high) / 2, "low": low, "high": high}
        assert f"[{low:+.3f}, {high:+.3f}] | {word} |" in page(found)
    logo["difference"] |= {"low": None, "high": None}  # of one seed
    assert "| no interval |" in page(found)


def test_the_page_pairs_sizes_of_memory_by_seed(found: dict[str, Any]) -> None:
    grpo, logo = found["groups"][0]["arms"]
    for arm, shares in ((grpo, (0.5, 0.75)), (logo, (0.25, 0.25))):
        for row, share in zip(arm["seeds"], shares, strict=True):
            row["share"] = share
    rows = {line.split("|")[1].strip(" *"): line.split("|") for line in page(found).splitlines() if line[:1] == "|"}
    at = rows["arm"].index(" memory / dialogue ") + 1
    # -0.25 and -0.5: deviation 0.176777, of the mean 0.125, times 12.7062 is 1.588.
    assert (rows["arm"][at], rows["logo"][at]) == (" less the baseline's ", " -0.375 [-1.963, +1.213] ")
    assert rows["grpo"][at] == " - "
    logo["seeds"][1]["share"] = None  # of a run whose memory was not measured
    assert " | -0.250 | " in page(found)


def test_the_page_names_the_score_of_a_group(found: dict[str, Any]) -> None:
    assert page(found).count("| arm | F1 | risen by |") == 1
    for arm in found["groups"][0]["arms"]:
        arm["settings"]["reward"]["f1"] = "exact"
    assert page(found).count("| arm | EM | risen by |") == 1


def test_an_arm_without_any_run_is_on_the_page_all_the_same(tmp_path: Path) -> None:
    made = matrix(tmp_path).only(["credit"])
    empty = report(made, plan_runs(made, [0], tmp_path), {})
    assert "| logo | - | - | - | no interval |  |" in page(empty) and empty["groups"][0]["frontier"] is None
    draw_differences(empty, tmp_path / "differences.png")
    assert not draw_frontier(empty, tmp_path / "frontier.png") and not (tmp_path / "frontier.png").exists()


def test_figures_and_json_are_written(found: dict[str, Any], tmp_path: Path) -> None:
    draw_differences(found, tmp_path / "differences.png")
    assert draw_frontier(found, tmp_path / "frontier.png")
    assert all((tmp_path / f"{n}.png").read_bytes()[:4] == b"\x89PNG" for n in ("differences", "frontier"))
    # The two memories are equal, so the better one is the whole front.
    front = found["groups"][0]["frontier"]
    assert (front["front"], front["knee"], front["best"], front["difference"]) == (["logo"], "logo", "logo", None)
    save(found, tmp_path / "reproduce.json")
    assert page(json.loads((tmp_path / "reproduce.json").read_text())) == page(found)


def test_the_knee_is_held_against_the_goal_and_the_published_size(found: dict[str, Any]) -> None:
    front = found["groups"][0]["frontier"]
    assert (front["goal"], front["reference"]) == (0.5, 1.10)
    assert front["share"] == found["groups"][0]["arms"][1]["share"]["mean"]

    def said(**changes: Any) -> str:
        found["groups"][0]["frontier"] = {**front, **changes}
        return page(found)

    lost = {"mean": -0.01, "low": -0.03, "high": 0.01, "n": 5}
    assert "has 40% of the dialogue's tokens" in said(share=0.4) and "the published run's had 110%" in page(found)
    assert "No arm has a higher F1. The goal, at most 50% at equal F1, is met." in said(share=0.4)
    assert "is not met: the memory is larger." in said(share=0.6)
    assert "`grpo`, the highest: -0.010 [-0.030, +0.010] (equal if it reaches 0). The goal" in said(
        share=0.4, best="grpo", difference=lost
    )
    assert "is not met: F1 is lower." in said(share=0.4, best="grpo", difference={**lost, "high": -0.001})
    assert "takes more seeds to tell." in said(share=0.4, best="grpo", difference={**lost, "low": None, "high": None})
    assert "The knee, farthest above" in said(bends=True) and "No other arm has a smaller memory" in said(bends=False)
    assert "so there is no knee" in said(bends=False, front=["grpo", "logo"])
    assert "No seed is finished in both" in said(share=0.4, best="grpo", difference=None)


def test_what_the_knee_costs_is_paired_by_seed_with_the_arm_of_the_highest_score(tmp_path: Path) -> None:
    small, large = Point("grpo", 0.2, 0.4375), Point("logo", 0.9, 0.5)
    made = matrix(tmp_path).only(["credit"])
    runs = plan_runs(made, [0, 1], tmp_path)
    for run in runs:
        finish(run.folder, 0.125, {("grpo", 0): 0.25, ("grpo", 1): 0.5}.get((run.arms[0][1], run.seed), 0.5))
    of_arm = {name: {run.seed: run for run in runs if run.arms[0][1] == name} for name in ("grpo", "logo")}
    front = at_the_knee(Frontier((small, large), small, False), of_arm, {run.folder: {} for run in runs})
    # 0.25 - 0.5 and 0.5 - 0.5.
    assert (front["knee"], front["best"], front["difference"]["mean"]) == ("grpo", "logo", -0.125)
