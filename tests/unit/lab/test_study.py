from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairmem.errors import ConfigError, DataError
from fairmem.lab.measures import RATIOS
from fairmem.lab.study import VERSION, Cell, LabSettings, load, run_lab, save

SMALL = LabSettings(
    rules=("grpo", "logo"), horizons=(4, 2), interactions=(0.5,), worlds=("undone",), skills=(1.5,), replications=3,
    estimates=4,
)  # fmt: skip
SHIPPED = Path(__file__).parents[3] / "docs" / "results" / "lab.json"


def changed(settings: LabSettings, changes: dict[str, Any]) -> LabSettings:
    return replace(settings, **changes)


def test_cells_are_the_curve_and_what_varies_at_its_middle() -> None:
    settings = LabSettings(horizons=(32, 8, 16), interactions=(0.5, 0.0), skills=(1.5, 3.0), worlds=("delayed",))
    assert settings.cells == [
        Cell("mixed", 0.5, 1.5, 8),
        Cell("mixed", 0.5, 1.5, 16),
        Cell("mixed", 0.5, 1.5, 32),
        Cell("mixed", 0.0, 1.5, 16),
        Cell("mixed", 0.5, 3.0, 16),
        Cell("delayed", 0.5, 1.5, 16),
    ]


def test_the_same_settings_give_the_same_file(tmp_path: Path) -> None:
    said: list[str] = []
    save(run_lab(SMALL, said.append), tmp_path / "one.json")
    save(run_lab(SMALL), tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert said[0] == "mixed, interaction 0.5, skill 1.5, 2 sessions" and len(said) == 3


def test_the_file_holds_every_measure_of_every_rule_in_every_cell(tmp_path: Path) -> None:
    save(run_lab(SMALL), tmp_path / "lab.json")
    found = load(tmp_path / "lab.json")
    assert found["version"] == VERSION and list(found["rules"]) == ["grpo", "logo"]
    assert found["settings"]["horizons"] == [4, 2]
    assert [(cell["world"], cell["horizon"]) for cell in found["cells"]] == [("mixed", 2), ("mixed", 4), ("undone", 2)]
    for cell in found["cells"]:
        for result in cell["results"].values():
            assert set(result) == {"tokens", "questions", "versus_grpo", "versus_broadcast", *RATIOS}
            assert all(len(result[name]) == 3 for name in RATIOS)
        assert cell["results"]["grpo"]["versus_grpo"] == [1.0, 1.0, 1.0]
        # 1,280 tokens per session, to the last one.
        assert cell["results"]["grpo"]["tokens"] == 1280 * cell["horizon"]


def test_a_rule_s_numbers_do_not_depend_on_the_other_rules_and_cells() -> None:
    alone = run_lab(changed(SMALL, {"rules": ("logo",), "horizons": (4,), "worlds": ()}))
    both = run_lab(SMALL)
    mine, theirs = alone["cells"][0]["results"]["logo"], both["cells"][1]["results"]["logo"]
    assert mine["versus_grpo"] is None
    assert {**mine, "versus_grpo": 0} == {**theirs, "versus_grpo": 0}


def test_another_seed_gives_other_numbers() -> None:
    first, second = (run_lab(changed(SMALL, {"seed": seed}))["cells"] for seed in (0, 1))
    assert first[0]["results"]["grpo"]["snr"] != second[0]["results"]["grpo"]["snr"]


def test_the_shipped_results_are_those_of_the_command() -> None:
    shipped = load(SHIPPED)
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in shipped["settings"].items()}
    settings = LabSettings(**fields)
    assert settings == LabSettings(), "docs/results/lab.json is of other settings; run: fairmem lab --out docs/results"
    rules = ("grpo", "logo", "local_end_common", "counterfactual")
    again = run_lab(
        changed(settings, {"rules": rules, "horizons": (8,), "interactions": (0.5,), "worlds": (),
                       "skills": (1.5,)})
    )  # fmt: skip
    for rule in rules:
        ours, theirs = again["cells"][0]["results"][rule], shipped["cells"][0]["results"][rule]
        for name in ("bias", "snr", "cosine", "sign_weighted", "versus_grpo"):
            assert ours[name] == pytest.approx(theirs[name], rel=2e-3), (rule, name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rules": ()}, "--rules must name at least one"),
        ({"horizons": (8, 8)}, "--horizons must name at least one, each once"),
        ({"horizons": (1,)}, "a conversation needs 2 sessions"),
        ({"worlds": ("moon",)}, "no world 'moon' in the lab; expected some of mixed, undone, delayed"),
        ({"skills": (-1.0,)}, "--skills is"),
        ({"estimates": 1}, "--estimates 2 or more"),
    ],
)
def test_settings_that_make_no_study_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        changed(SMALL, {**changes})


def test_an_unknown_rule_or_interaction_stops_before_anything_is_measured() -> None:
    said: list[str] = []
    with pytest.raises(ConfigError, match="no rule 'grop' in the lab; nearest: grpo"):
        run_lab(changed(SMALL, {"rules": ("grop",)}), said.append)
    assert said == []
    with pytest.raises(ConfigError, match="interaction is 2"):
        LabSettings(interactions=(0.5, 2.0))


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not a readable lab.json"), ('{"version": 0}', "version 0 of lab.json, expected 1")]
)
def test_what_is_not_a_lab_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "lab.json").write_text(text)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "lab.json")
