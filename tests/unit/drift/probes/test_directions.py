from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fairmem.drift.probes.direction_file import SavedDirection, load_direction, model_hash, save_direction
from fairmem.drift.probes.directions import auc, cosine, difference_of_means, left_out_directions, specificity
from fairmem.drift.probes.overlap import EntryMass, overlap_slope, rarity, weighted_overlap
from fairmem.errors import DataError, ModelError


def test_a_direction_is_the_difference_of_means_with_norm_one() -> None:
    # Means (4, 4) and (1, 0): difference (3, 4), length 5.
    vector, length = difference_of_means(np.array([[3.0, 4.0], [5.0, 4.0]]), np.array([[1.0, 0.0]]))
    assert length == 5.0 and vector.tolist() == [0.6, 0.8]
    vector, length = difference_of_means(np.ones((2, 2)), np.ones((2, 2)))
    assert length == 0.0 and vector.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="one width"):
        difference_of_means(np.ones((2, 2)), np.ones((2, 3)))


def test_the_left_out_domain_has_no_part_in_its_direction() -> None:
    explicit = np.array([[1.0, 0.0], [0.0, 2.0]])
    found = left_out_directions(explicit, np.zeros((2, 2)), ["risk", "risk"], ["a", "b"])
    assert found["risk", "a"].tolist() == [0.0, 1.0] and found["risk", "b"].tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="needs two"):
        left_out_directions(explicit, np.zeros((2, 2)), ["risk", "risk"], ["a", "a"])


def test_auc_counts_pairs_and_half_the_ties() -> None:
    # Pairs (1,1) tie, (1,0) above, (3,1) above, (3,0) above: 3.5 of 4.
    assert auc([1, 3], [1, 0]) == 0.875
    assert np.isnan(auc([], [1]))


def test_a_direction_of_its_own_bias_stands_out_of_permuted_labels() -> None:
    biases = ["risk"] * 6 + ["speed"] * 6
    own = np.zeros((12, 2))
    own[:6, 0] = own[6:, 1] = 1.0
    found = specificity(own, biases, draws=500)
    # Columns centred: 0.5 on the diagonal and -0.5 off it. Only 1 of 924 labellings is as good, and its reverse as bad.
    assert found.contrast == 1.0 and found.p < 0.02 and found.high < 1.0
    shared = specificity(np.ones((12, 2)), biases, draws=100)
    assert shared.contrast == 0.0 and shared.p == 1.0
    assert np.isnan(specificity(np.ones((3, 1)), ["risk"] * 3).contrast)


def test_cosine_of_nothing_is_zero() -> None:
    assert cosine(np.zeros(2), np.ones(2)) == 0.0
    assert cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(2**-0.5)


def entries(slope: float, noise: float = 0.0, seed: int = 0) -> list[EntryMass]:
    rng = np.random.default_rng(seed)
    return [
        EntryMass(f"s{s}", f"s{s}", o, e, 5 + e % 3, 7.0 * s + slope * o - 0.3 * e + noise * float(rng.normal()))
        for s in range(12)
        for e, o in enumerate(rng.permutation([0.0, 0.0, 1.0, 2.0]).tolist())
    ]


def test_the_slope_of_overlap_is_found_beside_place_length_and_prompt() -> None:
    found = overlap_slope(entries(0.5), draws=100)
    assert found.slope == pytest.approx(0.5) and found.low == pytest.approx(0.5)
    assert found.slope > found.null_high and (found.n, found.scenarios) == (48, 12)
    # Nominal 0.95; 12 scenarios give a little less. P(fewer than 24 of 30 at 0.9) is 0.03.
    none = [overlap_slope(entries(0.0, noise=1.0, seed=seed), draws=100) for seed in range(30)]
    assert sum(one.low < 0 < one.high for one in none) >= 24
    assert sum(one.null_low < one.slope < one.null_high for one in none) >= 24
    flat = [EntryMass("s", "s", 1.0, e, 4, float(e)) for e in range(3)]
    assert np.isnan(overlap_slope(flat).slope)


def test_rare_shared_words_weigh_more() -> None:
    # 3 texts: "check" in two, ln(4/3); "horse" in one, ln(4/2).
    weights = rarity(["check horse", "check", "cat"])
    assert weighted_overlap("A horse check", "check of the horse", weights) == pytest.approx(np.log(4 / 3) + np.log(2))
    assert weighted_overlap("A cat", "check", weights) == 0.0


def test_a_direction_comes_back_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "direction-risk.npz"
    save_direction(file, SavedDirection("risk", 3, np.array([0.6, 0.8]), 0.25, 2.0, "abc"))
    found = load_direction(file)
    assert (found.bias, found.layer, found.neutral, found.scale, found.model_hash) == ("risk", 3, 0.25, 2.0, "abc")
    assert found.vector_W.dtype == np.float32 and found.vector_W.tolist() == pytest.approx([0.6, 0.8])
    save_direction(file, SavedDirection("risk", 3, np.array([3.0, 4.0]), 0.0, 1.0, ""))
    with pytest.raises(DataError, match="norm 1"):
        load_direction(file)
    file.write_bytes(b"no archive")
    with pytest.raises(DataError, match="cannot be read"):
        load_direction(file)


def test_the_hash_of_a_model_follows_its_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        model_hash(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"one")
    first = model_hash(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert model_hash(tmp_path) != first
