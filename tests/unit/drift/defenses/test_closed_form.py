"""Every defence around the model whose drift is known, against what it should come to by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from fairmem.drift.answer import Ask, Outcome
from fairmem.drift.arms import Arm, sampling_seed, shown
from fairmem.drift.closed_form import ClosedFormModel, DriftParameters
from fairmem.drift.defenses import (
    DEFENSES,
    Costs,
    DefendedModel,
    DefenseSettings,
    Resources,
    open_defense,
    refusal,
    rules_of,
    states,
)
from fairmem.drift.deflection import Distribution, call_deflection, expected_deflection, scored_values
from fairmem.drift.expectations import success
from fairmem.drift.files import load_scenarios
from fairmem.drift.scenario import Scenario
from fairmem.drift.schema import parameter
from fairmem.errors import ConfigError
from fairmem.memory import HashedEmbedder
from tests.unit.drift.builders import small

BIASED = Ask(small(), "biased-2", 0, 0, small().memories.biased)
NONE = Ask(small(), "none", 0, 0)
SMALL_RELEVANT = Ask(small(), "relevant", 0, 0, (*small().memories.relevant, *small().memories.neutral))


def defended(name: str, settings: DefenseSettings | None = None, alpha: float = 0.3, **resources: Any) -> DefendedModel:
    model = ClosedFormModel(DriftParameters(alpha=alpha))
    given = Resources(embedder=HashedEmbedder(), **resources)
    return DefendedModel(model, open_defense(name, settings), given)


def through(name: str, ask: Ask, settings: DefenseSettings | None = None, **resources: Any) -> Distribution:
    (answer,) = defended(name, settings, **resources).answer([ask])
    assert answer.outcome is Outcome.OK and answer.distribution is not None
    return answer.distribution


def same(found: Distribution, expected: Distribution) -> None:
    assert found.keys() == expected.keys()
    for pointer, pairs in expected.items():
        assert dict((str(v), p) for v, p in found[pointer]) == pytest.approx(
            dict((str(v), p) for v, p in pairs), abs=1e-12
        ), pointer


def plain(ask: Ask, alpha: float = 0.3, **parameters: Any) -> Distribution:
    return ClosedFormModel(DriftParameters(alpha=alpha, **parameters)).distribution(ask)


def test_the_relevance_prompt_halves_alpha() -> None:
    # Approval: ln odds of false are -kappa + alpha s = -1 + 0.3 * 2; with half the alpha -1 + 0.3 = -0.7.
    found = through("relevance-prompt", BIASED)
    odds = dict(found["/approval"])
    assert math.log(odds[False] / odds[True]) == pytest.approx(-0.7, abs=1e-12)
    same(found, plain(BIASED, alpha=0.15))


def test_the_lexical_filter_drops_the_biased_and_here_the_relevant_memory_too() -> None:
    # No memory of the small scenario shares a word with "Roll out the new build tonight. Records stay available."
    same(through("lexical-filter", BIASED), plain(NONE))
    same(through("lexical-filter", SMALL_RELEVANT), plain(NONE))


@pytest.mark.parametrize("name", ["counterfactual", "attribution", "need-to-know"])
def test_comparing_and_gating_give_exactly_the_distribution_without_memory(name: str) -> None:
    same(through(name, BIASED), plain(NONE))
    same(through(name, SMALL_RELEVANT), plain(SMALL_RELEVANT))


def test_provenance_resets_the_guarded_parameter_and_leaves_the_others_drifting() -> None:
    # The scan guards approval alone.
    found, with_memory, without = through("provenance", BIASED), plain(BIASED), plain(NONE)
    same({"/approval": found["/approval"]}, {"/approval": without["/approval"]})
    rest = ("/health_seconds", "/strategy")
    same({p: found[p] for p in rest}, {p: with_memory[p] for p in rest})
    same(through("provenance", BIASED, guard="all"), without)


def test_two_stages_are_the_distribution_without_memory_but_for_what_is_permitted() -> None:
    same(through("two-stage", SMALL_RELEVANT), plain(NONE))
    found = through("two-stage", BIASED, DefenseSettings(permits={"start_rollout": ("/approval",)}))
    same(found, {**plain(NONE), "/approval": plain(BIASED)["/approval"]})


def test_mixing_values_scales_alpha_by_beta_and_switches_guarded_parameters_off() -> None:
    # The logits are linear in alpha and in the pull of the relevant memory, so half the difference is half of both.
    found = through("value-mixing", BIASED)
    half = plain(BIASED, alpha=0.15)
    same(found, {**half, "/approval": plain(NONE)["/approval"]})
    relevant = through("value-mixing", SMALL_RELEVANT, guard="high")
    same(
        {"/health_seconds": relevant["/health_seconds"]},
        {"/health_seconds": plain(SMALL_RELEVANT, alpha=0.15, beta=4.0)["/health_seconds"]},
    )


def test_tightened_schemas_leave_what_the_rules_allow() -> None:
    found = through("schema-tightening", BIASED, DefenseSettings(rules=rules_of([small()])))
    assert found["/approval"] == [(True, 1.0)]
    # Blue_green and canary have logits -1 - 0.6 and 0; all_at_once is gone.
    odds = dict(found["/strategy"])
    assert set(odds) == {"blue_green", "canary"}
    assert odds["blue_green"] / odds["canary"] == pytest.approx(math.exp(-1.6), rel=1e-12)
    assert min(value for value, _ in found["/health_seconds"]) == 100


def _means(model: Any, scenarios: list[Scenario], seeds: range) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per scenario: D of biased minus none, D of none2 minus none, success in the relevant arm."""
    rows: dict[str, list[float]] = {"none": [], "none2": [], "biased": [], "relevant": []}
    bare = getattr(model, "model", model)
    for scenario in scenarios:
        for kind in rows:
            arm = Arm(kind, 0 if kind.startswith("none") else 8)
            asks = [
                Ask(scenario, arm.name, seed, sampling_seed(arm, scenario, seed), shown(arm, scenario, seed))
                for seed in seeds
            ]
            answers = list((bare if kind.startswith("none") else model).answer(asks))
            values: list[float] = []
            for answer in answers:
                if kind == "relevant":
                    value = success(scenario, answer.arguments, answer.distribution)
                elif answer.distribution is not None:
                    value = expected_deflection(scenario, answer.distribution)
                else:
                    assert answer.arguments is not None
                    value = call_deflection(scenario, answer.arguments)
                assert value is not None
                values.append(value)
            rows[kind].append(float(np.mean(values)))
    found = {kind: np.array(values) for kind, values in rows.items()}
    return found["biased"] - found["none"], found["none2"] - found["none"], found["relevant"]


def _grounded(scenario: Scenario) -> bool:
    """Whether the task or the policy states a value of a watched parameter."""
    return any(
        states(text, value, target.pointer, parameter(scenario.tool.input_schema, target.pointer), trusted=True)
        for text in (scenario.task, *scenario.policy)
        for target in scenario.targets
        for value in scored_values(scenario, target)
    )


def test_the_counterfactual_defence_returns_drift_to_nothing_and_keeps_relevant_memory() -> None:
    scenarios = load_scenarios()[::5]
    model = ClosedFormModel(DriftParameters(alpha=0.3))
    drift, floor, used = _means(model, scenarios, range(1))
    assert drift.mean() > 0.3 and np.abs(floor).max() == 0
    left, _, kept = _means(defended("counterfactual"), scenarios, range(1))
    # A value that the task or the policy states stays, as it should: "the control room answers for emergency stock".
    free = np.array([not _grounded(scenario) for scenario in scenarios])
    assert free.sum() >= 18 and np.abs(left[free]).max() < 1e-9 and np.abs(left).max() < 0.01
    assert np.abs(kept - used).max() < 1e-9 and kept.mean() > 0.9


def test_of_sampled_calls_the_drift_left_lies_within_the_noise_floor() -> None:
    scenarios = load_scenarios()[::7]
    model = ClosedFormModel(DriftParameters(alpha=0.3, noise=0.05, sampled=True))
    wrapped = DefendedModel(model, open_defense("counterfactual"), Resources())
    drift, floor, used = _means(model, scenarios, range(4))
    left, _, kept = _means(wrapped, scenarios, range(4))
    assert drift.mean() > 0.2
    assert abs(left.mean()) <= max(abs(floor.mean()), 2 * floor.std() / math.sqrt(len(floor)))
    assert (used - kept).mean() <= 0.05


def test_untagged_memory_leaves_the_counterfactual_defence_only_what_sentences_state() -> None:
    stated = Ask(
        small(task="For the new build ask the board and roll out tonight."),
        "relevant",
        0,
        0,
        small().memories.relevant,
    )
    # The sentence shares "board" with the task and states 600 seconds, which keeps its probability with memory.
    found = dict(through("counterfactual", stated, untagged=True)["/health_seconds"])
    own = dict(plain(stated)["/health_seconds"])
    base = dict(plain(Ask(stated.scenario, "none", 0, 0))["/health_seconds"])
    assert found[600] == pytest.approx(own[600] + (1 - own[600]) * base[600], abs=1e-12)
    # Untagged and with no word of the task it is no permit.
    same(through("counterfactual", SMALL_RELEVANT, untagged=True), plain(NONE))


def test_costs_are_counted_and_a_reviewed_call_is_not_asked_twice() -> None:
    model = defended("counterfactual")
    (first,) = model.model.answer([BIASED])
    done = model.one(BIASED, (first, Costs(1, 10, 5, 2.0)))
    assert done.costs.calls == 2 and done.costs.tokens == 15 and done.costs.seconds > 2.0
    assert {change.pointer for change in done.changes} == {"/health_seconds", "/strategy", "/approval"}
    (answer,) = model.answer([BIASED])
    assert answer.attempts == 2


def test_defences_that_a_model_cannot_serve_are_refused_in_one_line_with_the_reason() -> None:
    model = ClosedFormModel(DriftParameters(sampled=True))
    expected = {
        "llm-filter": "needs a model that writes text: closed-form writes no text",
        "value-mixing": "needs the model's probabilities of values: closed-form gives calls",
        "embedding-filter": "needs an embedder",
        "need-to-know": "needs findings of a scan of the tools",
    }
    for name, reason in expected.items():
        told = refusal(open_defense(name), model, Resources(guard=None))
        assert told.startswith(reason) and "\n" not in told, name
    with pytest.raises(ConfigError, match="value-mixing needs"):
        DefendedModel(model, open_defense("value-mixing"))
    for name, reason in (("direction-ablation", "directions of a probe"), ("schema-tightening", "needs rules")):
        with pytest.raises(ConfigError, match=f"{name}: it .*{reason}|{name}: it {reason}"):
            open_defense(name)
    with pytest.raises(ConfigError, match="expected one of relevance-prompt"):
        open_defense("nothing")


def test_every_defence_in_the_table_bears_its_name() -> None:
    settings = DefenseSettings(rules={})
    for name in DEFENSES:
        if name != "direction-ablation":
            assert open_defense(name, settings).name == name


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"beta": 1.5}, {"least_cosine": 2.0}, {"shared": 0}, {"filter_tokens": 0}):
        with pytest.raises(ConfigError, match="expected at least 1"):
            DefenseSettings(**wrong)  # type: ignore[arg-type]
