from __future__ import annotations

import json

import pytest

from fairmem.config import load_recipe
from fairmem.planning import Plan, Setup, as_values, compared, comparison, page, read_assumptions, read_machine

RECIPE = load_recipe(
    "memory_r2_qwen2.5_3b",
    ["stages=[{sessions = 2, steps = 3}]", "agents.chunks_per_session=2", "data.path=absent.json", "eval.every=2"],
)


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    changed = read_assumptions(["efficiency.decode=0.4"])
    return compared(
        RECIPE,
        [
            Setup(read_machine("8xH100"), "verl", assumptions=changed),
            Setup(read_machine("8xRTX4090"), "verl", assumptions=changed),
        ],
    )


def test_a_page_says_what_was_planned_from_what_and_that_nothing_was_run(plans: list[Plan]) -> None:
    text = page(plans[0])
    assert text.startswith("memory_r2_qwen2.5_3b on 8xH100, engine verl. Estimated; nothing was run.")
    assert "3.09 B parameters, 36,864 bytes of cache per token" in text
    assert "averages of LoCoMo" in text and "changed efficiency.decode=0.4" in text
    assert "answerer unknown" in text and "verl refuses: eval.every is 2" in text
    assert "  fits" in text and "GPU hours (evaluations not counted)" in text


def test_what_does_not_fit_is_said_with_the_remedy(plans: list[Plan]) -> None:
    assert "does not fit: learning: a micro-batch of 16,384 tokens" in page(plans[1])


def test_a_comparison_is_a_line_per_machine(plans: list[Plan]) -> None:
    head, fits, small = comparison(plans)
    assert head.startswith("GPUs") and "2 sessions" in head
    assert fits.startswith("8xH100") and fits.split()[-1] in ("decoding", "learning", "weights", "waiting", "prompts")
    assert small.startswith("8xRTX4090") and "does not fit: learning" in small


def test_the_values_survive_json_and_hold_the_figures_of_the_page(plans: list[Plan]) -> None:
    values = json.loads(json.dumps(as_values(plans[0])))
    assert values["model"]["kv_bytes_per_token"] == 36_864 and values["fits"] is True
    assert values["work"][0]["calls"] == plans[0].work.stages[0].calls
    assert values["stages"][0]["phases"]["answerer"] is None
    assert values["assumptions"]["efficiency.decode"] == 0.4
    assert as_values(plans[1])["memory"]["problems"]


def test_without_a_machine_the_page_holds_the_work_alone() -> None:
    (plan,) = compared(RECIPE, [Setup()])
    text = page(plan)
    assert "per step" in text and "memory per GPU" not in text and "training:" not in text
