"""The tokenizer and the untrained model."""

from pathlib import Path
from typing import Any

import pytest

from fairmem.policy import import_torch
from fairmem.pretrain import Imperfection, Mixture
from fairmem.pretrain.base_model import SPECIAL_TOKENS, demonstrations, make_model, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(0, 400, conversations=10)


def test_any_text_survives_the_tokenizer(tokenizer: Any) -> None:
    for text in (
        "<manage> 7 May 2023\n1 Ana lives in Lodz.\n<facts>\na Ana lives in =Oslo=.\n<out>\n",
        "żółw 日本 🐢 \t  two  blanks\n",
        "",
    ):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_a_saved_tokenizer_gives_the_same_ids(tokenizer: Any, tmp_path: Path) -> None:
    import_torch()
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    prompt = "<extract> 7 May 2023\n1 Ana: I moved to Lodz.\n<out>\n"
    assert loaded.encode(prompt) == tokenizer.encode(prompt) == tokenizer.backend_tokenizer.encode(prompt).ids
    assert (loaded.pad_token_id, loaded.eos_token_id) == (0, 1)


def test_each_special_token_is_one_id_and_skipped_in_replies(tokenizer: Any) -> None:
    ids = tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS))
    assert ids == list(range(11))
    assert [tokenizer.encode(token, add_special_tokens=False) for token in SPECIAL_TOKENS] == [[id] for id in ids]
    assert tokenizer.decode([*tokenizer.encode("Lodz"), 1], skip_special_tokens=True) == "Lodz"


def test_the_chat_template_only_joins_the_messages(tokenizer: Any) -> None:
    messages = [{"role": "system", "content": "<answer>\n"}, {"role": "user", "content": "  <question> Who?\n<out>\n"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<answer>\n  <question> Who?\n<out>\n"


def test_prefix_and_branch_are_encoded_apart_as_they_are_together(tokenizer: Any) -> None:
    # Imitation encodes them apart, sampling encodes the whole prompt.
    core = tokenizer.backend_tokenizer
    stream = demonstrations(1, Imperfection(), 0.5, Mixture(rewording=0.5, drills=2))
    for _ in range(200):
        demonstration = next(stream)
        for rest, _ in demonstration.branches:
            apart = core.encode(demonstration.prefix).ids + (core.encode(rest).ids if rest else [])
            assert apart == core.encode(demonstration.prefix + rest).ids


def test_the_same_seed_gives_the_same_tokenizer_and_weights(tokenizer: Any) -> None:
    torch = import_torch()
    assert train_tokenizer(0, 400, conversations=10).get_vocab() == tokenizer.get_vocab()
    one, other, third = (make_model(seed, 400, 64, 2, 0, 1) for seed in (3, 3, 4))
    assert torch.equal(one.lm_head.weight, other.lm_head.weight)
    assert not torch.equal(one.lm_head.weight, third.lm_head.weight)


def test_the_model_is_a_small_qwen3_with_tied_embeddings_that_ends_at_its_end_token() -> None:
    model = make_model(0, 400, 64, 2, 0, 1)
    assert model.config.model_type == "qwen3" and model.config.head_dim == 32
    assert (model.config.num_attention_heads, model.config.num_key_value_heads) == (2, 1)
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert (model.generation_config.eos_token_id, model.generation_config.pad_token_id) == (1, 0)
    # Embeddings 400 x 64; per layer: q and o 64 x 64, k and v 64 x 32, three matrices 64 x 192, two norms of 64 and
    # two of 32; one last norm of 64: 25600 + 2 * (8192 + 4096 + 36864 + 192) + 64.
    assert sum(p.numel() for p in model.parameters()) == 25600 + 2 * 49344 + 64
