from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fairmem.drift.probes import ProbeConfig, ProbeResult, load_direction, probe_model, write_report
from fairmem.drift.probes.reading import read_states
from fairmem.drift.probes.shifts import measure_shifts
from fairmem.drift.scenario import Scenario
from fairmem.errors import DataError
from tests.unit.drift.probes import planted

CONFIG = ProbeConfig(memories=planted.ENTRIES, draws=200)


@cache
def result(plant: bool) -> ProbeResult:
    return probe_model(planted.policy(plant=plant), planted.grammar(), CONFIG, model_hash="h")


def test_a_planted_direction_is_found_in_a_domain_it_was_not_fitted_on() -> None:
    shifts = result(True).shifts
    assert shifts.projection.low > 0 and shifts.p < 0.05
    assert shifts.auc_low > 0.9
    assert shifts.opposite.high < 0  # The opposite memories lie on the other side.
    for bias in shifts.biases:
        assert bias.cosine > 0.5 and bias.cosine > bias.random_high, bias


def test_the_direction_of_a_planted_bias_is_its_own() -> None:
    found = result(True).shifts.specificity
    assert found.biases == planted.BIASES
    assert found.contrast > found.high and found.p < 0.05
    assert all(found.mean_BB[i, i] > 3 * abs(found.mean_BB[i, 1 - i]) for i in range(2))


def test_taking_the_planted_direction_out_undoes_drift_and_a_random_one_does_not() -> None:
    causal = result(True).causal
    assert causal.drift.low > 0.1 and causal.lost == 0
    assert causal.ablated.high < -0.7 * causal.drift.mean
    assert abs(causal.random.mean) < 0.2 * causal.drift.mean
    assert causal.net.high < 0


def test_adding_the_direction_without_memory_drifts_with_the_dose() -> None:
    doses = {dose.amount: dose for dose in result(True).causal.doses}
    effects = [doses[amount].effect.mean for amount in sorted(doses)]
    assert effects == sorted(effects) and doses[1.0].effect.low > 0 and doses[-1.0].effect.high < 0
    assert abs(doses[1.0].random.mean) < 0.3 * doses[1.0].effect.mean


def test_planted_attention_rises_on_memory_and_falls_elsewhere() -> None:
    looking = result(True).looking
    changes = {one.part: one.change for one in looking.parts}
    assert changes["memory"].low > 0.05 and changes["schema"].high < 0
    assert looking.by_layer[0] > 10 * abs(looking.by_layer[1]) and not looking.skipped
    assert math.fsum(one.change.mean for one in looking.parts) == pytest.approx(0.0, abs=0.02)  # Shares sum to 1.


def test_a_control_grammar_gives_nothing() -> None:
    control = result(False)
    shifts, causal = control.shifts, control.causal
    assert shifts.auc_low < 0.5 < shifts.auc_high and shifts.specificity.p > 0.05
    assert causal.net.low < 0 < causal.net.high or abs(causal.net.mean) < 0.005
    assert abs(causal.drift.mean) < 0.01
    memory = next(one for one in control.looking.parts if one.part == "memory")
    assert abs(memory.change.mean) < 0.01


def test_control_models_seldom_look_planted() -> None:
    # At 5 % a false alarm in four models has probability 0.19, two of them 0.014.
    found = [
        measure_shifts(read_states(planted.policy(plant=False, seed=seed), planted.grammar(), 3), draws=100)
        for seed in range(4)
    ]
    assert sum(one.p <= 0.05 for one in found) <= 1
    assert sum(one.specificity.p <= 0.05 for one in found) <= 1


def test_scenarios_of_one_domain_cannot_leave_one_out() -> None:
    alone: list[Scenario] = [planted.grammar()[0]]
    with pytest.raises(DataError, match="leaving a domain out needs two"):
        probe_model(planted.policy(plant=True), alone, CONFIG)


def test_the_report_has_numbers_pictures_and_directions(tmp_path: Path) -> None:
    found = result(True)
    text = write_report(found, tmp_path)
    assert "Drift probes of planted" in text
    fields = json.loads((tmp_path / "probe.json").read_text())
    assert (fields["format"], fields["version"]) == ("fairmem-drift-probe", 1)
    assert fields["causal"]["ablated"]["mean"] == pytest.approx(found.causal.ablated.mean)
    assert (tmp_path / "probe.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "probe.html").read_text()
    saved = load_direction(tmp_path / "direction-risk.npz")
    assert (saved.bias, saved.layer, saved.model_hash) == ("risk", found.shifts.layer, "h")
    assert float(np.linalg.norm(saved.vector_W)) == pytest.approx(1.0, abs=1e-5) and saved.scale > 0
