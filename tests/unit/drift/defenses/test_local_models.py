"""Every defence that applies to a model in this process, on a small one in which memory moves values by its weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fairmem.drift.answer import Answer, Ask, Outcome
from fairmem.drift.defenses import (
    DefendedModel,
    DefenseSettings,
    DirectionAblation,
    Resources,
    open_defense,
    read_directions,
    rules_of,
)
from fairmem.drift.deflection import expected_deflection
from fairmem.drift.local import ScoredModel, TextModel
from fairmem.drift.probes import ProbeConfig, SavedDirection, probe_model, save_direction
from fairmem.drift.scenario import Scenario
from fairmem.errors import ConfigError, DataError
from fairmem.memory import HashedEmbedder
from tests.unit.drift.builders import small
from tests.unit.drift.probes import planted


@cache
def model() -> ScoredModel:
    return ScoredModel(planted.policy(plant=True))


@cache
def directions() -> tuple[SavedDirection, ...]:
    policy = planted.policy(plant=True)
    return probe_model(policy, planted.grammar(), ProbeConfig(memories=planted.ENTRIES, draws=20)).directions


def ask(scenario: Scenario, arm: str) -> Ask:
    return Ask(scenario, arm, 0, 0, scenario.memories.biased if arm == "biased" else ())


@cache
def bare(arm: str) -> np.ndarray:
    return deflections(list(model().answer([ask(scenario, arm) for scenario in planted.grammar()])))


def deflections(answers: list[Answer]) -> np.ndarray:
    found: list[float] = []
    for answer, scenario in zip(answers, planted.grammar(), strict=True):
        assert answer.outcome is Outcome.OK and answer.distribution is not None, answer.message
        value = expected_deflection(scenario, answer.distribution)
        assert value is not None
        found.append(value)
    return np.array(found)


def left(name: str, **resources: object) -> float:
    """Mean drift left of the planted model behind a defence."""
    settings = DefenseSettings(rules=rules_of(planted.grammar()), directions=directions())
    given = Resources(embedder=HashedEmbedder(), **resources)  # type: ignore[arg-type]
    wrapped = DefendedModel(model(), open_defense(name, settings), given)
    answers = list(wrapped.answer([ask(scenario, "biased") for scenario in planted.grammar()]))
    return float((deflections(answers) - bare("none")).mean())


def test_the_planted_model_drifts() -> None:
    assert (bare("biased") - bare("none")).mean() > 0.1


@pytest.mark.parametrize("name", ["lexical-filter", "embedding-filter", "need-to-know", "two-stage", "counterfactual"])
def test_what_keeps_memory_from_the_values_leaves_no_drift(name: str) -> None:
    assert abs(left(name)) < 1e-6


def test_attribution_leaves_no_drift_and_names_marked_memories() -> None:
    wrapped = DefendedModel(model(), open_defense("attribution"), Resources())
    done = wrapped.one(ask(planted.grammar()[0], "biased"))
    assert done.changes and all(set(change.entries) <= {"hot0", "hot1", "hot2"} for change in done.changes)
    assert all(change.entries for change in done.changes)


def test_mixing_and_provenance_undo_what_is_guarded() -> None:
    drift = float((bare("biased") - bare("none")).mean())
    assert abs(left("value-mixing", guard="all")) < 1e-6 and abs(left("provenance", guard="all")) < 1e-6
    assert 0 < left("value-mixing") < drift
    assert 0 < left("provenance") < drift


def test_tightening_bounds_the_harm() -> None:
    # Nothing harmful is left to choose, so what is expected lies at or below the reference.
    settings = DefenseSettings(rules=rules_of(planted.grammar()))
    wrapped = DefendedModel(model(), open_defense("schema-tightening", settings), Resources())
    answers = list(wrapped.answer([ask(scenario, "biased") for scenario in planted.grammar()]))
    assert deflections(answers).max() <= 0


def test_a_note_reaches_the_prompt_of_a_local_model() -> None:
    wrapped = DefendedModel(model(), open_defense("relevance-prompt"), Resources())
    (noted,) = wrapped.answer([ask(planted.grammar()[0], "biased")])
    (plain,) = model().answer([ask(planted.grammar()[0], "biased")])
    assert noted.prompt_tokens > plain.prompt_tokens + 20


def test_taking_the_directions_out_removes_most_of_the_drift() -> None:
    drift = float((bare("biased") - bare("none")).mean())
    assert abs(left("direction-ablation")) < 0.4 * drift


def test_taking_directions_out_changes_nothing_without_memory_and_leaves_no_hook() -> None:
    wrapped = DefendedModel(model(), DirectionAblation(directions()), Resources())
    answers = list(wrapped.answer([ask(scenario, "none") for scenario in planted.grammar()]))
    assert np.allclose(deflections(answers), bare("none"))
    again = deflections(list(ScoredModel(model().policy).answer([ask(s, "biased") for s in planted.grammar()])))
    assert np.allclose(again, bare("biased"))


def test_directions_of_another_model_or_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no direction-BIAS\.npz"):
        read_directions(tmp_path)
    vector = np.zeros(4, dtype=np.float32)
    vector[0] = 1.0
    save_direction(tmp_path / "direction-risk.npz", SavedDirection("risk", 0, vector, 0.0, 1.0, "mine"))
    assert [one.bias for one in read_directions(tmp_path, "mine")] == ["risk"]
    with pytest.raises(DataError, match="of another model"):
        read_directions(tmp_path, "other")
    with pytest.raises(ConfigError, match="no directions"):
        DirectionAblation([])


def test_a_model_that_writes_calls_can_be_defended_too(model_folder: Path) -> None:
    from fairmem.policy.hf import HFPolicy

    policy = HFPolicy.from_folder(model_folder, device="cpu")
    policy.context = None
    text = TextModel(policy, max_tokens=8)
    asked = Ask(small(), "biased-2", 0, 3, small().memories.biased)
    for name in ("relevance-prompt", "counterfactual", "two-stage", "need-to-know"):
        (answer,) = DefendedModel(text, open_defense(name), Resources()).answer([asked])
        # A random model writes no call: an outcome of its own, with its tokens counted, and never a zero.
        assert answer.outcome in (Outcome.NO_CALL, Outcome.TRUNCATED) and answer.prompt_tokens > 0, name
    filtering = DefendedModel(text, open_defense("llm-filter", DefenseSettings(filter_tokens=4)), Resources(policy))
    (answer,) = filtering.answer([asked])
    assert answer.outcome is Outcome.CALL_FAILED and "the filter replied" in answer.message
