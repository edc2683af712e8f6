"""Makes the tokenizer and the untrained model: byte-level BPE and a small Qwen3 with tied embeddings.

The chat template only concatenates messages, because compact prompts carry their own structure in special tokens.
head_dim is 32, which the CPU kernels of inference servers accept.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from fairmem.data.village import simulate
from fairmem.policy.torch_setup import import_torch
from fairmem.pretrain.demonstrate import Demonstrator
from fairmem.pretrain.mixture import Demonstration, Imperfection, Mixture
from fairmem.seeds import derive, python_rng

SPECIAL_TOKENS = (
    "<pad>",
    "<eos>",
    "<extract>",
    "<manage>",
    "<facts>",
    "<answer>",
    "<question>",
    "<single>",
    "<write>",
    "<turns>",
    "<out>",
)
_CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def demonstrations(
    seed: int, imperfection: Imperfection, pseudo_words: float, mixture: Mixture
) -> Iterator[Demonstration]:
    """An endless stream of demonstrations from training conversations."""
    index = 0
    while True:
        rng: random.Random = python_rng(seed, "demonstrate", index)
        sessions, difficulty = rng.randint(2, 12), rng.uniform(0.2, 1.0)
        world = simulate(
            derive(seed, "pretrain"), "train", index, sessions, difficulty, pseudo_words, spliced=mixture.spliced
        )
        yield from Demonstrator(world, rng, imperfection, mixture).run()
        index += 1


def train_tokenizer(seed: int, vocabulary: int, conversations: int = 1500) -> Any:
    """A byte-level BPE tokenizer of `vocabulary` tokens, as a Hugging Face fast tokenizer."""
    import_torch()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    perfect = Imperfection(miss={}, default_miss=0.0)

    def texts() -> Iterator[str]:
        for index in range(conversations):
            rng = python_rng(seed, "tokenizer", index)
            world = simulate(derive(seed, "tokenizer"), "train", index, 6, 0.6, 0.6)
            for demonstration in Demonstrator(world, rng, perfect, Mixture(questions=4)).run():
                yield demonstration.prefix
                for rest, reply in demonstration.branches:
                    yield rest + reply

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        texts(),
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        eos_token="<eos>",
        extra_special_tokens=list(SPECIAL_TOKENS[2:]),
        clean_up_tokenization_spaces=False,
        model_max_length=4096,
        padding_side="left",
    )
    tokenizer.chat_template = _CHAT_TEMPLATE
    return tokenizer


def make_model(seed: int, vocabulary: int, width: int, layers: int, pad: int, eos: int) -> Any:
    """A randomly initialised Qwen3 in fp32: heads of 32, half as many key/value heads, feed-forward 3 x width."""
    torch = import_torch()
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        num_key_value_heads=max(1, width // 64),
        head_dim=32,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        pad_token_id=pad,
        eos_token_id=eos,
        bos_token_id=None,
    )
    model = Qwen3ForCausalLM(config)
    model.generation_config.pad_token_id = pad
    model.generation_config.eos_token_id = eos
    return model
