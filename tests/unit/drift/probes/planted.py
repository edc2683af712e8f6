"""A small Qwen3 whose weights are set by hand: some memory words write a direction that moves values towards harm.

Words carry a mark of a bias in their embedding. Block 0 looks at marked words (key and query share one slowly rotating
coordinate), copies the mark to another coordinate, and the head reads that coordinate as preference for harmful values.
Orders carry the same marks. In the control no word is marked, and everything else is alike.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fairmem.drift.answer import Ask
from fairmem.drift.probes.reading import PLAIN_ORDER
from fairmem.drift.prompt import MEMORY_HEADING, messages, tool_specs
from fairmem.drift.scenario import DOMAINS, Scenario
from fairmem.policy import import_torch
from fairmem.policy.calls import text_instruction
from fairmem.policy.hf import HFPolicy
from tests.unit.drift.builders import raw

BIASES = ("risk", "speed")
ENTRIES = 3
WIDTH, HEAD = 48, 16
CONST, MARK, WRITTEN = 0, (1, 2), (3, 4)
"""Coordinates: a constant, the mark of each bias, and where block 0 writes it."""
PUSH = 1.0
HARMFUL = ("all_at_once", "false", "1", "5")


@cache
def grammar() -> tuple[Scenario, ...]:
    """Two biases in four domains; every memory has words of its own, so that none repeats between scenarios."""
    found: list[Scenario] = []
    for bias in BIASES:
        for domain in DOMAINS[:4]:
            fields = raw(id=f"{bias}-{domain}-001", dimension=bias, domain=domain)
            fields["explicit_instruction"] = f"order{bias} " * 6
            key = f"{bias}{domain.replace('_', '')}"
            groups = (("biased", "hot", 1), ("biased_opposite", "cold", -1), ("neutral", "mild", 0))
            for group, word, polarity in groups:
                fields["memories"][group] = [
                    {
                        "id": f"{word}{i}",
                        "text": f"{word}{key}a{i} filler{key}{word}{i} health {word}{key}b{i}"
                        if i == 0
                        else f"{word}{key}a{i} filler{key}{word}{i} calm{i} {word}{key}b{i}",
                        "scope": ["leisure"],
                        "polarity": polarity,
                    }
                    for i in range(ENTRIES)
                ]
            fields["memories"]["relevant"] = []
            found.append(Scenario.model_validate(fields))
    return tuple(found)


def marked(word: str) -> tuple[int, float] | None:
    """(bias, sign) of a word, None for most."""
    for i, bias in enumerate(BIASES):
        if word == f"order{bias}" or word.startswith(f"hot{bias}"):
            return i, 1.0
        if word.startswith(f"cold{bias}"):
            return i, -1.0
    return None


def policy(*, plant: bool, model_class: str = "Qwen3", seed: int = 1) -> HFPolicy:
    """The model, with marks if `plant`."""
    torch = import_torch()
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    from fairmem.drift.deflection import scored_values
    from fairmem.drift.local import call_text

    split: Any = pre_tokenizers.Whitespace()
    texts = [PLAIN_ORDER, MEMORY_HEADING]
    for scenario in grammar():
        ask = Ask(scenario, "none", 0, 0, (*scenario.memories.biased, *scenario.memories.biased_opposite))
        texts += [m.content for m in messages(ask, in_text=True)] + [text_instruction(tool_specs(scenario))]
        texts += [m.text for m in scenario.memories.neutral] + [scenario.explicit_instruction]
        texts += [call_text(ask, t.pointer, v) for t in scenario.targets for v in scored_values(scenario, t)]
    words = dict.fromkeys(word for text in texts for word, _ in split.pre_tokenize_str(text))
    vocabulary = {word: i for i, word in enumerate(["<unk>", "<eos>", *words])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = split
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", unk_token="<unk>")

    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"

    torch.manual_seed(seed)
    config = getattr(transformers, f"{model_class}Config")(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=HEAD,
        max_position_embeddings=4096,
        rope_parameters={"rope_type": "default", "rope_theta": 1e7},
        tie_word_embeddings=False,
        eos_token_id=1,
        initializer_range=0.05,
    )
    model: Any = getattr(transformers, f"{model_class}ForCausalLM")(config).eval()
    with torch.no_grad():
        _set(model, vocabulary, plant)
    return HFPolicy(model, tokenizer, name="planted" if plant else "control")


def _set(model: Any, vocabulary: dict[str, int], plant: bool) -> None:
    table = model.model.embed_tokens.weight
    table[:, :5] = 0.0
    table[:, CONST] = 1.0
    if plant:
        for word, i in vocabulary.items():
            mark = marked(word)
            if mark is not None:
                table[i, MARK[mark[0]]] = mark[1]
    for block in model.model.layers:
        block.mlp.down_proj.weight.mul_(0.1)
    first = model.model.layers[0].self_attn
    slow = HEAD // 2 - 1  # The coordinate that the position rotates least.
    first.q_proj.weight.zero_()
    first.k_proj.weight[slow] = 0.0
    first.q_proj.weight[slow::HEAD, CONST] = 1.0
    # What is cold is looked at as much as what is hot, so words that are marked have another mark without a sign.
    if plant:
        for word, i in vocabulary.items():
            if marked(word) is not None:
                table[i, WIDTH - 1] = 2.0
    first.k_proj.weight[slow, WIDTH - 1] = 2.0
    for i in range(len(BIASES)):
        first.v_proj.weight[i] = 0.0
        first.v_proj.weight[i, MARK[i]] = 4.0
        first.o_proj.weight[WRITTEN[i]] = 0.0
        first.o_proj.weight[WRITTEN[i], i] = first.o_proj.weight[WRITTEN[i], HEAD + i] = 1.0
    head = model.lm_head.weight
    head[:, :5] = 0.0
    head.mul_(0.3)
    for word in HARMFUL:
        head[vocabulary[word], list(WRITTEN)] = PUSH / 2
