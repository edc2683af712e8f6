"""The tables show what lab.json holds, and the documents show the tables and say nothing else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fairmem.errors import DataError
from fairmem.lab.study import load
from fairmem.lab.tables import TABLES, filled, report

ROOT = Path(__file__).parents[3]
SHIPPED = load(ROOT / "docs" / "results" / "lab.json")
Results = dict[str, dict[str, Any]]


def cell(world: str = "mixed", interaction: float = 0.5, skill: float = 1.5, horizon: int = 32) -> Results:
    key = {"world": world, "interaction": interaction, "skill": skill, "horizon": horizon}
    return next(found["results"] for found in SHIPPED["cells"] if key.items() <= found.items())


def found(bias: float = 0.5, snr: float = 0.25, versus: float = 1.0, questions: float = 10) -> dict[str, Any]:
    return {
        "questions": questions,
        "bias": [bias, max(bias - 0.1, 0.0), bias + 0.1],
        "snr_per_kilotoken": [snr, snr / 2, 2 * snr],
        "versus_grpo": [versus, versus - 0.05, versus + 0.05],
        "versus_broadcast": None,
        "cosine": [0.9, 0.8, 1.0],
        "sign_weighted": [0.6, 0.5, 0.7],
    }


SMALL: dict[str, Any] = {
    "settings": {"horizons": [4, 8], "interactions": [0.5, 0.0], "skills": [1.5], "replications": 3, "estimates": 4,
                 "tokens": 160, "seed": 0},
    "rules": {"grpo": "compares", "logo": "compares more"},
    "cells": [
        {"world": "mixed", "interaction": 0.5, "skill": 1.5, "horizon": 4,
         "results": {"grpo": found(), "logo": found(0.05, 0.5, 2.0)}},
        {"world": "mixed", "interaction": 0.5, "skill": 1.5, "horizon": 8,
         "results": {"grpo": found(), "logo": found(0.2, 0.0312, 0.1)}},
        {"world": "mixed", "interaction": 0.0, "skill": 1.5, "horizon": 4,
         "results": {"grpo": found(), "logo": {**found(), "bias": [0.5, 0.1, 0.9]}}},
        {"world": "undone", "interaction": 0.5, "skill": 1.5, "horizon": 4,
         "results": {"grpo": found(), "logo": found(1.0, -0.5, -2.0)}},
    ],
}  # fmt: skip


def test_every_table_of_a_small_result() -> None:
    assert TABLES["about"](SMALL).splitlines()[2:] == ["| `grpo` | compares |", "| `logo` | compares more |"]
    assert TABLES["rules"](SMALL).splitlines()[3] == (
        "| `logo` | 0.05 [0.00, 0.15] | 0.5 | 2.00 [1.95, 2.05] | 0.90 [0.80, 1.00] | 0.60 [0.50, 0.70] | 10 |"
    )
    assert TABLES["horizons"](SMALL).splitlines() == [
        "| rule | 4 sessions | 8 sessions |",
        "| --- | --- | --- |",
        "| `grpo` | 0.25 (0.50) | 0.25 (0.50) |",
        "| `logo` | 0.5 (0.05) | 0.0312 (0.20) |",
    ]
    # A bias that may be anything from 0.1 to 0.9 is not told.
    assert TABLES["interactions"](SMALL).splitlines()[0::3] == [
        "| rule | interaction 0 | interaction 0.5 |",
        "| `logo` | 0.25 (?) | 0.5 (0.05) |",
    ]
    assert TABLES["worlds"](SMALL).splitlines()[3] == "| `logo` | 0.5 (0.05) | -0.5 (1.00) |"
    assert TABLES["compared"](SMALL).splitlines()[2] == "| mixed | 0.5 | 1.5 | 4 | 2.00 [1.95, 2.05] |"
    assert TABLES["verdicts"](SMALL).splitlines()[2:] == [
        "| `grpo` | 0.50, 0.50 | 1.00, 1.00 | strong bias, as noisy as grpo |",
        "| `logo` | ?, 0.05 | 2.00, 0.10 | no bias seen, less noisy than grpo |",
    ]


def test_a_report_says_what_was_run_and_holds_every_table() -> None:
    text = report(SMALL)
    assert "3 conversations per cell, 4 gradient estimates each, 160 sampled tokens" in text
    assert all(table(SMALL) in text for table in TABLES.values())


def test_markers_are_filled_for_all_or_for_some_rules() -> None:
    text = "A\n<!-- lab: about logo -->\nold\n<!-- lab: end -->\nB\n<!-- lab: horizons -->\n<!-- lab: end -->\n"
    new = filled(text, SMALL)
    assert "old" not in new and "| `logo` | compares more |" in new and "| `grpo` | compares |" not in new
    assert TABLES["horizons"](SMALL) in new
    assert filled(new, SMALL) == new


def test_a_marker_that_names_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="no table 'abuot' in the lab; expected one of about, rules"):
        filled("<!-- lab: abuot -->\n<!-- lab: end -->", SMALL)
    with pytest.raises(DataError, match=r"no rule 'lgo' in this lab\.json; it has grpo, logo"):
        filled("<!-- lab: about lgo -->\n<!-- lab: end -->", SMALL)


@pytest.mark.parametrize("page", ["docs/guide/lab.md", "docs/algorithms.md"])
def test_the_tables_of_the_documents_are_made_from_the_shipped_results(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert "<!-- lab: " in text
    assert filled(text, SHIPPED) == text, "run: make docs"


def test_the_shipped_report_is_made_from_the_shipped_results() -> None:
    assert (ROOT / "docs" / "results" / "lab.md").read_text(encoding="utf-8") == report(SHIPPED)


# What docs/guide/lab.md says in words.


def test_said_logo_is_level_with_grpo_at_every_horizon() -> None:
    for horizon in (8, 16, 32, 64, 128):
        _, low, high = cell(horizon=horizon)["logo"]["versus_grpo"]
        assert low <= 1 <= high and low > 0.9 and high < 1.1


def test_said_logo_wins_over_a_terminal_reward_and_by_more_the_longer_the_horizon() -> None:
    gains = [cell(horizon=horizon)["logo_trajectory"]["versus_broadcast"] for horizon in (8, 16, 32, 64, 128)]
    assert all(low > 1 for _, low, _ in gains)
    assert all(later[0] > earlier[0] for earlier, later in pairwise(gains))
    snr = [cell(horizon=horizon)["broadcast"]["snr_per_kilotoken"][0] for horizon in (8, 16, 32, 64, 128)]
    assert all(1.5 < earlier / later < 2.5 for earlier, later in pairwise(snr))


def test_said_logo_loses_where_sessions_undo_each_other() -> None:
    for results in (cell(interaction=1.0), cell("undone"), cell("delayed")):
        assert results["logo"]["versus_grpo"][2] < 1
        assert results["logo_trajectory"]["versus_broadcast"][2] < 1


def test_said_eights_do_better_than_fours_and_pairs_worse() -> None:
    for horizon in (8, 16, 32, 64, 128):
        results = cell(horizon=horizon)
        pairs, fours, eights = (
            results[name]["snr_per_kilotoken"][0] for name in ("logo_half_pairs", "logo_half", "logo_half_eights")
        )
        assert pairs < fours < eights
        assert results["logo_half_reuse"]["snr_per_kilotoken"][0] > fours


def test_said_local_scoring_at_once_leads_away_and_what_helps() -> None:
    undone, delayed = cell("undone"), cell("delayed")
    assert delayed["local"]["snr"][2] < 0 and undone["local"]["snr"][0] < 0 < undone["local"]["snr"][2]
    assert undone["local_4"]["bias"][2] < 0.6 and delayed["local_4"]["bias"][1] > 0.9
    for results in (undone, delayed):
        assert min(results[f"logo_half_{scope}"]["bias"][0] for scope in ("session", "both")) > 0.6
        assert results["local_end_mean"]["bias"][1] == 0 and results["local_end_common"]["bias"][2] < 0.2
        mean, common, broadcast = (
            results[name]["snr_per_kilotoken"][0] for name in ("local_end_mean", "local_end_common", "broadcast")
        )
        assert 7 < common / mean < 15 and common < broadcast
        assert results["logo_half_hindsight"]["bias"][2] < 0.45 < 0.65 < results["logo_half"]["bias"][1]
        assert results["local_hindsight"]["bias"][2] < 0.45


def test_said_counterfactual_is_ahead_of_grpo_and_logo_everywhere() -> None:
    for each in (found["results"] for found in SHIPPED["cells"]):
        for other in ("grpo", "logo"):
            assert each["counterfactual"]["snr"][0] > each[other]["snr"][0]
            assert each["counterfactual"]["bias"][0] < 0.6 * each[other]["bias"][0]


def test_said_the_bias_of_a_reward_per_session_grows_with_interaction() -> None:
    steps = [cell(interaction=interaction) for interaction in (0.0, 0.25, 0.5, 0.75, 1.0)]
    biases = [results["grpo"]["bias"][0] for results in steps]
    assert biases == sorted(biases)
    assert all(results["broadcast"]["bias"][1] == 0 for results in steps)
    assert steps[-1]["broadcast"]["cosine"][1] > steps[-1]["grpo"]["cosine"][0]
    whole_trajectory = ("broadcast", "broadcast_loo", "ppo", "tree", "hcapo")
    for results in steps:
        snr = {name: results[name]["snr_per_kilotoken"][0] for name in whole_trajectory}
        assert max(snr, key=lambda name: snr[name]) == "ppo"
