from __future__ import annotations

import numpy as np
import pytest

from fairmem.drift.probes.attention import attention_rows
from fairmem.drift.probes.reading import ask_of
from fairmem.drift.probes.spans import spans
from fairmem.policy import import_torch
from tests.unit.drift.probes import planted


@pytest.mark.parametrize("model_class", ["Qwen3", "Llama"])
def test_rows_are_those_of_eager_attention_and_the_model_is_put_back(model_class: str) -> None:
    torch = import_torch()
    model = planted.policy(plant=False, model_class=model_class).model
    ids = list(range(2, 40))
    found = attention_rows(model, ids, [5, 37])
    assert model.config._attn_implementation == "sdpa" and not found.skipped
    model.set_attn_implementation("eager")
    with torch.no_grad():
        eager = model(input_ids=torch.tensor([ids]), output_attentions=True).attentions
    for layer, weights_HRT in found.weights.items():
        assert np.abs(weights_HRT - eager[layer][0][:, [5, 37]].numpy()).max() < 1e-6
        assert weights_HRT[:, 0, 6:].max() == 0.0  # Row 5 sees nothing after it.
    assert set(found.weights) == {0, 1}


def test_layers_with_a_window_are_named_and_not_read_as_no_attention() -> None:
    model = planted.policy(plant=False).model
    model.model.layers[1].self_attn.sliding_window = 8
    found = attention_rows(model, list(range(2, 40)), [37])
    assert set(found.weights) == {0} and "window of 8" in found.skipped[1]


def test_every_entry_and_the_task_have_the_tokens_of_their_words() -> None:
    policy = planted.policy(plant=False)
    scenario = planted.grammar()[0]
    where = spans(policy, ask_of("biased", scenario, scenario, 3), '{"tool"')

    def words(tokens: tuple[int, ...]) -> str:
        return policy.tokenizer.decode([where.ids[t] for t in tokens])

    assert {words(entry).split()[0][:12] for entry in where.memories} == {"hotriskhealt"}
    assert words(where.parts["task"]) == "Roll out the new build tonight ."
    assert words(where.parts["reply"]) == '{" tool "'
    assert len(where.parts["memory"]) == 12  # three entries of four words
