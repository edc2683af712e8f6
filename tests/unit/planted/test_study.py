from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairmem.config import load_recipe
from fairmem.errors import ConfigError
from fairmem.planted import StudySettings, page, run_study, summarise_study
from fairmem.planted.defended import NOT_ALONE
from fairmem.planted.study import save_study

ARMS = ("none", "none2", "neutral", "biased-1", "biased-2", "biased-4", "biased-8", "opposite", "explicit", "relevant")


def seed(number: int, drift: float, after: float) -> dict[str, Any]:
    """One seed: `drift` in the planted model, `after` in the trained one."""
    arms = {name: {"deflection": 0.0, "delta": 0.0, "success": 0.1, "lost": 0.0} for name in ARMS}
    arms["biased-8"]["delta"], arms["relevant"]["success"] = drift, 0.9
    scores = {"drift": drift, "neutral": 0.0, "opposite": -0.1, "ordered": 0.8, "none": 0.0, "success": 0.9}
    group = {"scenarios": 105, "before": scores, "after": {**scores, "drift": after, "success": 0.85}}
    behind = {"drift": drift / 2, "neutral": 0.0, "success": 0.4, "lost": 0.25}
    return {"seed": number, "arms": arms, "groups": {"all": group}, "defenses": {"two-stage": behind}}


SETTINGS = StudySettings(seeds=(0, 1), defenses=("two-stage",))
STUDY = summarise_study(SETTINGS, [seed(0, 0.4, 0.1), seed(1, 0.5, 0.0)])


def test_scores_are_means_over_seeds_with_t_intervals() -> None:
    # Mean 0.45, standard deviation 0.0707 over 2 seeds, t with 1 degree of freedom 12.706:
    # 12.706 * 0.0707 / sqrt 2 = 0.635.
    found = STUDY["arms"]["biased-8"]["delta"]
    assert found["mean"] == pytest.approx(0.45) and found["n"] == 2
    assert (found["low"], found["high"]) == pytest.approx((0.45 - 0.6353, 0.45 + 0.6353), abs=1e-3)
    assert STUDY["groups"]["all"]["drift"]["difference"]["mean"] == pytest.approx(-0.4)
    assert STUDY["groups"]["all"]["success"]["after"]["mean"] == pytest.approx(0.85)
    assert STUDY["defenses"]["two-stage"]["drift"]["mean"] == pytest.approx(0.225)


def test_the_closed_form_stands_beside_what_was_measured() -> None:
    # alpha (1 - 2^-8) and alpha (1 - 2^-1) of alpha 0.5.
    assert STUDY["arms"]["biased-8"]["truth"]["delta"] == pytest.approx(0.498046875)
    assert STUDY["arms"]["biased-1"]["truth"]["delta"] == pytest.approx(0.25)
    assert STUDY["arms"]["relevant"]["truth"]["success"] == pytest.approx(1.0)


def test_the_page_tells_both_drift_and_success_by_group_and_defence() -> None:
    text = page(STUDY)
    assert "`fairmem drift study --seeds 0,1 --defenses two-stage`" in text
    assert "| biased-8 | +0.498 | +0.450 [-0.185, +1.085] |" in text
    row = next(line for line in text.splitlines() if line.startswith("| all (105) |"))
    assert row.split(" | ")[1].startswith("+0.450") and row.split(" | ")[4].startswith("0.850")
    assert "| two-stage | +0.225" in text and "| 25.0 % |" in text
    assert "| 1 | +0.500 | +0.000 | 0.900 | 0.850 |" in text


def test_one_seed_has_no_interval() -> None:
    alone = summarise_study(StudySettings(seeds=(3,), defenses=()), [{**seed(3, 0.4, 0.1), "defenses": {}}])
    assert "| biased-8 | +0.498 | +0.400 | 1" not in page(alone) and "| +0.498 | +0.400 |" in page(alone)
    assert "Defences" not in page(alone)


def test_the_page_is_made_from_the_file_alone(tmp_path: Path) -> None:
    save_study(STUDY, tmp_path / "study.json")
    stored = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))
    assert page(stored) == page(STUDY) == (tmp_path / "study.md").read_text(encoding="utf-8")


def test_the_command_names_what_was_changed() -> None:
    changed = StudySettings(seeds=(0, 1), overrides=("learner.lr=1e-3",), defenses=("two-stage",))
    study = summarise_study(changed, [seed(0, 0.4, 0.1), seed(1, 0.5, 0.0)])
    assert study["command"] == "fairmem drift study learner.lr=1e-3 --seeds 0,1 --defenses two-stage"
    assert study["recipe"]["learner"]["lr"] == 1e-3 and "seed" not in study["recipe"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"seeds": (1, 1)}, r"seeds are \[1, 1\]"), ({"seeds": ()}, "seeds are"), ({"defenses": ("magic",)}, "'magic'")],
)
def test_wrong_settings_are_one_line(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        StudySettings(**wrong)


def test_a_defence_that_needs_more_is_not_taken() -> None:
    assert not set(StudySettings().defenses) & set(NOT_ALONE)
    with pytest.raises(ConfigError, match="llm-filter"):
        StudySettings(defenses=("llm-filter",))


def test_a_wrong_recipe_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such recipe"):
        run_study(StudySettings(recipe="drift_aware_smal"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_seed_at_a_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--jobs is 0, expected at least 1"):
        run_study(SETTINGS, tmp_path / "out", jobs=0)


def test_the_recipe_holds_out_a_bias_and_two_domains() -> None:
    drift = load_recipe("drift_aware_small").drift
    assert len(drift.biases) == 4 and "autonomy" not in drift.biases
    assert len(drift.domains) == 5 and not {"human_resources", "logistics"} & set(drift.domains)
