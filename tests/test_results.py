"""The results that README and guides print come from stored studies, and those are of what ships today."""

import json
from pathlib import Path
from typing import Any

import pytest

from fairmem import lengths, planted, reproduce
from fairmem.config import changed, load_recipe
from fairmem.study import seeds_table, weights_digest

ROOT = Path(__file__).parents[1]
PRINTED = {
    "memory_r2_small": "README.md",
    "memory_r1_grpo": "docs/guide/memory-r1.md",
    "memory_r1_ppo": "docs/guide/memory-r1.md",
    "memory_r1_bc": "docs/guide/memory-r1.md",
    "memory_r1_answerer": "docs/guide/memory-r1.md",
    "mem_alpha_small": "docs/guide/mem-alpha.md",
}
"""Recipe -> the document that prints its study, `docs/results/RECIPE.json`."""
STUDIES: dict[str, dict[str, Any]] = {
    name: json.loads((ROOT / "docs" / "results" / f"{name}.json").read_text(encoding="utf-8")) for name in PRINTED
}


REPORTS = {"matrix": "reproduce.json", "recipes": "recipes/reproduce.json"}
"""Shipped matrix -> its report below `docs/results`."""


def stored_report(name: str) -> tuple[Path, dict[str, Any]]:
    """The report of a shipped matrix, and its file; the test is skipped if there is none."""
    path = ROOT / "docs" / "results" / REPORTS[name]
    if not path.is_file():
        pytest.skip(f"the report is absent: {path} (`fairmem reproduce --matrix {name} --results {path.parent}`)")
    return path, json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PRINTED)
def test_a_document_prints_the_stored_study(name: str) -> None:
    text = (ROOT / PRINTED[name]).read_text(encoding="utf-8")
    assert seeds_table(STUDIES[name]) in text and STUDIES[name]["command"] in text


@pytest.mark.parametrize("name", PRINTED)
def test_a_study_is_of_the_recipe_and_the_model_that_ship(name: str) -> None:
    study, recipe = STUDIES[name], load_recipe(name, [])
    assert changed(study["settings"], recipe) == []
    assert study["weights"] == weights_digest(recipe.model.path)
    assert study["command"] == f"fairmem seeds {name} --seeds " + ",".join(str(row["seed"]) for row in study["seeds"])


@pytest.mark.parametrize("name", PRINTED)
def test_the_improvement_is_real(name: str) -> None:
    study = STUDIES[name]
    assert study["difference"]["n"] == len({row["seed"] for row in study["seeds"]}) >= 5
    assert study["difference"]["low"] > 0 and all(row["difference"] > 0 for row in study["seeds"])


@pytest.mark.parametrize("name", PRINTED)
@pytest.mark.parametrize("column", ["before", "after", "difference"])
def test_means_are_those_of_the_seeds(name: str, column: str) -> None:
    study = STUDIES[name]
    values = [row[column] for row in study["seeds"]]
    assert study[column]["mean"] == pytest.approx(sum(values) / len(values))
    assert study[column]["low"] <= study[column]["mean"] <= study[column]["high"]
    assert study["difference"]["mean"] == pytest.approx(study["after"]["mean"] - study["before"]["mean"], abs=1e-6)


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_of_a_matrix_is_made_from_its_stored_report(name: str) -> None:
    path, found = stored_report(name)
    assert (found["format"], found["version"]) == (reproduce.FORMAT, reproduce.VERSION)
    assert path.with_suffix(".md").read_text(encoding="utf-8") == reproduce.page(found)


@pytest.mark.parametrize("name", REPORTS)
def test_the_runs_of_a_stored_report_are_of_the_matrix_and_the_models_that_ship(name: str, tmp_path: Path) -> None:
    _, found = stored_report(name)
    shipped = reproduce.load_matrix(Path(name))
    assert found["groups"] and found["weights"] == weights_digest(load_recipe(shipped.recipe).model.path)
    for group in found["groups"]:
        one = shipped.only([group["name"]])
        budget = round(group["budget"] / one.groups[0].budget)
        runs = reproduce.plan_runs(one, group["seeds"], tmp_path, budget, found)
        known = sum(run.row is not None for run in runs)
        assert (known, len(runs)) == (group["finished"], group["runs"])
        assert len(group["arms"]) == len(one.groups[0].arms)


@pytest.mark.parametrize("folder", ["lengths-oracle", "lengths-mem_alpha"])
def test_the_table_of_lengths_is_made_from_its_measurements_and_the_guide_prints_the_longest(folder: str) -> None:
    path = ROOT / "docs" / "results" / folder / "lengths.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    assert path.with_suffix(".md").read_text(encoding="utf-8") == lengths.report(found)
    assert list(found["lengths"]) == ["30000", "100000", "400000", "1000000"]
    guide = (ROOT / "docs" / "guide" / "mem-alpha.md").read_text(encoding="utf-8")
    assert folder in guide and f"{found['lengths']['1000000']['entries']:,}" in guide
    assert f"{found['lengths']['1000000']['score'][0]:.2f}" in guide


def test_the_readme_prints_the_comparisons_of_the_ablations() -> None:
    _, found = stored_report("matrix")
    assert reproduce.section(found) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_page_of_the_planted_model_is_made_from_its_stored_study() -> None:
    path = ROOT / "docs" / "results" / "drift_small.json"
    if not path.is_file():
        pytest.skip(f"the study of the planted model is absent: {path} (`fairmem drift study --results docs/results`)")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["format"], found["version"]) == (planted.FORMAT, planted.VERSION)
    assert path.with_suffix(".md").read_text(encoding="utf-8") == planted.page(found)
    assert found["weights"] == weights_digest("bundled")


def test_training_away_the_planted_drift_is_real_and_the_guide_prints_it() -> None:
    study = json.loads((ROOT / "docs" / "results" / "drift_small.json").read_text(encoding="utf-8"))
    guide = (ROOT / "docs" / "guide" / "drift-train.md").read_text(encoding="utf-8")
    assert study["command"] in guide and len({seed["seed"] for seed in study["seeds"]}) >= 5
    groups = study["groups"]
    for group in ("all", "held-out bias", "unseen domains"):
        assert groups[group]["drift"]["difference"]["high"] < 0
        for when in ("before", "after"):
            assert planted.cell(groups[group]["drift"][when], "+") in guide
    for score, sign in (("success", ""), ("ordered", "+")):
        assert groups["all"][score]["after"]["mean"] >= groups["all"][score]["before"]["mean"]
        for when in ("before", "after"):
            assert planted.cell(groups["all"][score][when], sign) in guide
