from __future__ import annotations

from typing import Any

import pytest
import torch

from fairmem.errors import ModelError
from fairmem.learner import Row, forward
from fairmem.learner.batch import collate, pack_rows
from fairmem.learner.forward import sampled_logprobs
from tests.unit.learner.conftest import MakeModel, MakeRow, MakeRows


def unpacked(model: Any, row: Row, temperature: float = 1.0) -> list[float]:
    """Log-probabilities from a plain call on one whole row, with the model's own causal mask."""
    whole = torch.tensor([row.prompt_ids + row.ids])
    with torch.no_grad():
        logp = (model(whole).logits[0, :-1] / temperature).log_softmax(-1)
    start = len(row.prompt_ids) - 1
    return [logp[start + i, token].item() for i, token in enumerate(row.ids)]


@pytest.mark.parametrize("share_prompts", [False, True])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_log_probabilities_equal_unpacked_ones(
    tiny: MakeModel, random_rows: MakeRows, share_prompts: bool, attention: str
) -> None:
    model, rows = tiny(attn_implementation=attention), random_rows(12)
    packs = pack_rows(rows, range(12), 40, share_prompts)
    assert len(packs) > 1 and max(len(pack.rows) for pack in packs) > 2
    batch = collate(rows, packs)
    logp, _ = sampled_logprobs(model, batch)
    expected = [p for r in batch.rows for p in unpacked(model, rows[r])]
    assert logp.tolist() == pytest.approx(expected, abs=1e-5)


def test_a_row_does_not_depend_on_its_neighbours_in_the_pack(tiny: MakeModel, row: MakeRow) -> None:
    model, first = tiny(), row((1, 2, 3), (4, 5, 6))
    logps = []
    for neighbour in (row((7, 8), (9, 10)), row((11, 12), (13, 14))):
        rows = [first, neighbour]
        logp, _ = sampled_logprobs(model, collate(rows, pack_rows(rows, range(2), 32)))
        logps.append(logp[:3].tolist())
    assert logps[0] == logps[1]


def test_temperature_divides_the_logits(tiny: MakeModel, row: MakeRow) -> None:
    model, rows = tiny(), [row((1, 2, 3), (4, 5, 6))]
    logp, _ = sampled_logprobs(model, collate(rows, pack_rows(rows, [0], 32)), temperature=0.5)
    assert logp.tolist() == pytest.approx(unpacked(model, rows[0], 0.5), abs=1e-5)


def test_splitting_the_output_layer_changes_neither_values_nor_gradients(
    tiny: MakeModel, random_rows: MakeRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = random_rows(8)
    results = []
    for limit in (10_000, 3):
        monkeypatch.setattr(forward, "_LOGIT_ROWS", limit)
        model = tiny()
        logp, spread = sampled_logprobs(model, collate(rows, pack_rows(rows, range(8), 64)), entropy_grad=True)
        (logp.sum() + spread.sum()).backward()
        results.append((logp.detach(), model.model.embed_tokens.weight.grad))
    for whole, split in zip(*results, strict=True):
        assert torch.allclose(whole, split, atol=1e-4)


def test_models_that_transform_their_logits_are_run_whole(tiny: MakeModel, random_rows: MakeRows) -> None:
    model, rows = tiny(), random_rows(6)
    batch = collate(rows, pack_rows(rows, range(6), 64))
    plain, _ = sampled_logprobs(model, batch)
    model.config.logits_scaling = 1.0
    whole, _ = sampled_logprobs(model, batch)
    assert whole.tolist() == pytest.approx(plain.tolist(), abs=1e-5)


def test_attention_without_a_dense_mask_is_refused(tiny: MakeModel, random_rows: MakeRows) -> None:
    model, rows = tiny(), random_rows(2)
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ModelError, match="attn_implementation='sdpa'"):
        sampled_logprobs(model, collate(rows, pack_rows(rows, range(2), 64)))
