"""Attention of new tokens without copied keys and values, beside transformers' own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fairmem.policy import import_torch

torch = import_torch()

from transformers import Qwen3Config, Qwen3ForCausalLM  # noqa: E402
from transformers.integrations.sdpa_attention import sdpa_attention_forward  # noqa: E402

from fairmem.policy.grouped import NAME, grouped_attention, grouped_sdpa  # noqa: E402


def tensors(heads: int, groups: int, length: int) -> tuple[Any, Any, Any]:
    random = torch.Generator().manual_seed(heads)
    query = torch.randn(2, heads, length, 4, generator=random)
    key, value = (torch.randn(2, groups, 5, 4, generator=random) for _ in range(2))
    return query, key, value


@pytest.mark.parametrize(("heads", "groups", "length"), [(6, 3, 1), (6, 1, 1), (4, 4, 1), (6, 3, 2)])
@pytest.mark.parametrize("masked", [False, True])
def test_it_is_the_attention_of_transformers(heads: int, groups: int, length: int, masked: bool) -> None:
    query, key, value = tensors(heads, groups, length)
    mask = torch.tensor([[1, 1, 0, 1, 1], [0, 0, 1, 1, 1]], dtype=torch.bool)[:, None, None].expand(2, 1, length, 5)
    module: Any = SimpleNamespace(num_key_value_groups=heads // groups, is_causal=False)
    given = (module, query, key, value, mask if masked else None)
    expected, _ = sdpa_attention_forward(*given, scaling=0.3)
    found, _ = grouped_sdpa(*given, scaling=0.3)
    assert found.shape == (2, length, heads, 4)
    torch.testing.assert_close(found, expected)


def model(heads: int, groups: int, attention: str = "sdpa") -> Any:
    config = Qwen3Config(
        vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=heads,
        num_key_value_heads=groups, head_dim=4,
    )  # fmt: skip
    config._attn_implementation = attention
    return Qwen3ForCausalLM(config)


def test_a_model_with_grouped_queries_has_it_while_it_decodes_and_then_what_it_had() -> None:
    grouped = model(4, 2)
    with pytest.raises(ZeroDivisionError), grouped_attention(grouped):
        assert grouped.config._attn_implementation == NAME
        _ = 1 / 0
    assert grouped.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(("groups", "attention"), [(4, "sdpa"), (2, "eager")])
def test_other_models_keep_their_own(groups: int, attention: str) -> None:
    other = model(4, groups, attention)
    with grouped_attention(other):
        assert other.config._attn_implementation == attention
