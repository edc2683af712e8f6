"""The results that are printed in the README come from stored studies, and those are of what ships today."""

import json
from pathlib import Path
from typing import Any

import pytest

from fairmem import planted, reproduce
from fairmem.config import load_recipe
from fairmem.study import seeds_table, weights_digest

ROOT = Path(__file__).parents[1]
STUDY: dict[str, Any] = json.loads((ROOT / "docs" / "results" / "memory_r2_small.json").read_text(encoding="utf-8"))


def differing(stored: dict[str, Any], now: dict[str, Any], where: str = "") -> list[str]:
    """Settings of the stored study that the recipe has otherwise today; keys added since do not count."""
    found: list[str] = []
    for key, value in stored.items():
        here, there = f"{where}{key}", now.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            found += differing(value, there, f"{here}.")
        elif key == "stages" and len(value) == len(there or ()):
            for number, (stage, today) in enumerate(zip(value, now[key], strict=True)):
                found += differing(stage, today, f"{here}.{number}.")
        elif there != value:
            found.append(f"{here}: {value!r} in the study, {there!r} now")
    return found


def test_the_readme_prints_the_stored_study() -> None:
    assert seeds_table(STUDY) in (ROOT / "README.md").read_text(encoding="utf-8")
    assert STUDY["command"] in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_study_is_of_the_recipe_and_the_model_that_ship() -> None:
    recipe = load_recipe("memory_r2_small", [])
    assert differing(STUDY["settings"], recipe.model_dump(mode="json")) == []
    assert STUDY["weights"] == weights_digest(recipe.model.path)
    assert STUDY["command"] == "fairmem seeds memory_r2_small --seeds " + ",".join(
        str(row["seed"]) for row in STUDY["seeds"]
    )


def test_the_improvement_is_real() -> None:
    assert STUDY["difference"]["n"] == len({row["seed"] for row in STUDY["seeds"]}) >= 5
    assert STUDY["difference"]["low"] > 0 and all(row["difference"] > 0 for row in STUDY["seeds"])


@pytest.mark.parametrize("name", ["before", "after", "difference"])
def test_means_are_those_of_the_seeds(name: str) -> None:
    values = [row[name] for row in STUDY["seeds"]]
    assert STUDY[name]["mean"] == pytest.approx(sum(values) / len(values))
    assert STUDY[name]["low"] <= STUDY[name]["mean"] <= STUDY[name]["high"]
    assert STUDY["difference"]["mean"] == pytest.approx(STUDY["after"]["mean"] - STUDY["before"]["mean"], abs=1e-6)


def test_the_page_of_the_ablations_is_made_from_their_stored_report() -> None:
    path = ROOT / "docs" / "results" / "reproduce.json"
    if not path.is_file():
        pytest.skip(f"the report of the ablations is absent: {path} (`fairmem reproduce --results docs/results`)")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["format"], found["version"]) == (reproduce.FORMAT, reproduce.VERSION)
    assert path.with_suffix(".md").read_text(encoding="utf-8") == reproduce.page(found)


def test_the_page_of_the_planted_model_is_made_from_its_stored_study() -> None:
    path = ROOT / "docs" / "results" / "drift_small.json"
    if not path.is_file():
        pytest.skip(f"the study of the planted model is absent: {path} (`fairmem drift study --results docs/results`)")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["format"], found["version"]) == (planted.FORMAT, planted.VERSION)
    assert path.with_suffix(".md").read_text(encoding="utf-8") == planted.page(found)
    assert found["weights"] == weights_digest("bundled")
