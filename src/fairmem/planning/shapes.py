"""The shape of a model: how many parameters it has and what a token costs in bytes and floating-point operations.

Read from the `config.json` of a Hugging Face folder, or built in for the models of the shipped recipes. Decoder-only
transformers with grouped-query attention and a gated feed-forward network (Qwen, Llama, Mistral, gpt-oss, ...), dense
or with experts. Simplified: a sliding window is planned as full attention, the router of experts is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fairmem.errors import ModelError


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What a plan has to know of a model.

    Attributes:
        name: Of the model.
        layers: Transformer blocks.
        hidden: Width of the residual stream.
        intermediate: Width of the feed-forward network (of one expert, where there are experts).
        heads: Query heads; `kv_heads`: key and value heads; `head_dim`: width of each.
        vocabulary: Rows of the embedding.
        tied: Whether the output layer is the embedding.
        qkv_bias: Whether the query, key and value projections have biases.
        qk_norm: Whether queries and keys are normalised per head.
        experts: Feed-forward networks per layer, of which each token uses `active_experts`; 1 and 1 in a dense model.
        weight_bytes: Bytes per parameter as it is served: 2 in bfloat16.
    """

    name: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool
    qkv_bias: bool = False
    qk_norm: bool = False
    experts: int = 1
    active_experts: int = 1
    weight_bytes: float = 2.0

    @property
    def attention_parameters(self) -> int:
        """Of one layer: the four projections, with the biases of three."""
        query, key = self.heads * self.head_dim, self.kv_heads * self.head_dim
        matrices = self.hidden * (query + 2 * key) + query * self.hidden
        return matrices + ((query + 2 * key) if self.qkv_bias else 0)

    @property
    def expert_parameters(self) -> int:
        """Of one feed-forward network: gate, up and down."""
        return 3 * self.hidden * self.intermediate

    @property
    def layer_parameters(self) -> int:
        """Of one layer, norms included."""
        norms = 2 * self.hidden + (2 * self.head_dim if self.qk_norm else 0)
        return self.attention_parameters + self.experts * self.expert_parameters + norms

    @property
    def embedding_parameters(self) -> int:
        """Of the embedding, and of the output layer where it is another matrix."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All of them."""
        return self.layers * self.layer_parameters + self.embedding_parameters + self.hidden

    @property
    def active_parameters(self) -> int:
        """Those that one token is multiplied with, without the output layer and the embedding (a look-up)."""
        idle = (self.experts - self.active_experts) * self.expert_parameters
        return self.layers * (self.layer_parameters - idle)

    @property
    def kv_bytes(self) -> int:
        """Bytes of keys and values per token in 16 bits: 2 (both) * layers * heads * width * 2 bytes."""
        return 2 * self.layers * self.kv_heads * self.head_dim * 2

    @property
    def activation_bytes(self) -> int:
        """Bytes that one layer keeps per token for its backward pass, in 16 bits.

        Two norms' inputs and outputs (4 hidden), queries, keys, values and what attention gives, and of the
        feed-forward network gate, up, their activation and product. Attention is computed without a score matrix.
        """
        attention = 2 * self.heads * self.head_dim + 2 * self.kv_heads * self.head_dim
        return 2 * (4 * self.hidden + attention + 4 * self.intermediate * self.active_experts)

    def forward_flops(self, tokens: float, context: float, read: float) -> float:
        """Floating-point operations of a forward pass.

        Args:
            tokens: Tokens computed: two operations per parameter each.
            context: Mean number of earlier tokens that each attends to: scores and sums are four operations per head
                and width.
            read: Tokens whose next one is predicted: two operations per entry of the output layer.
        """
        attended = 4 * self.layers * self.heads * self.head_dim * context
        return tokens * (2 * self.active_parameters + attended) + read * 2 * self.vocabulary * self.hidden

    def read_bytes(self, batch: float) -> float:
        """Bytes of weights that one decode step of `batch` sequences reads; of experts, those that any of them uses.

        With k of E experts drawn evenly by each of `batch` tokens, a share 1 - (1 - k/E)^batch of them is touched.
        """
        touched = 1 - (1 - self.active_experts / self.experts) ** max(1.0, batch)
        experts = self.layers * self.experts * self.expert_parameters
        look_up = 0 if self.tied else self.vocabulary * self.hidden
        return self.weight_bytes * (self.parameters - look_up - experts * (1 - touched))

    @property
    def served_bytes(self) -> float:
        """Bytes of all weights as served."""
        return self.weight_bytes * self.parameters


_SHAPES = (
    ModelShape("Qwen2.5-3B-Instruct", 36, 2048, 11008, 16, 2, 128, 151936, tied=True, qkv_bias=True),
    ModelShape("Qwen2.5-7B-Instruct", 28, 3584, 18944, 28, 4, 128, 152064, tied=False, qkv_bias=True),
    ModelShape("Qwen3-4B", 36, 2560, 9728, 32, 8, 128, 151936, tied=True, qk_norm=True),
    ModelShape(  # experts in MXFP4: 4.25 bits each, 60.8 GiB in all by its model card
        "gpt-oss-120b", 36, 2880, 2880, 64, 8, 64, 201088, tied=False, qkv_bias=True,
        experts=128, active_experts=4, weight_bytes=60.8 * 2**30 / 116.8e9,
    ),
    ModelShape(  # 12.8 GiB in all by its model card
        "gpt-oss-20b", 24, 2880, 2880, 64, 8, 64, 201088, tied=False, qkv_bias=True,
        experts=32, active_experts=4, weight_bytes=12.8 * 2**30 / 20.9e9,
    ),
)  # fmt: skip

SHAPES: dict[str, ModelShape] = {shape.name: shape for shape in _SHAPES}
"""Built-in shapes by name, from the models' own `config.json`; for a model that is not on disk yet."""


def shape_of(config: Path) -> ModelShape:
    """The shape that a `config.json` (or the folder that holds one) describes.

    Raises:
        ModelError: no such file, not JSON, or a key is missing.
    """
    path = config / "config.json" if config.is_dir() else config
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); expected the config.json of a model") from error
    except ValueError as error:
        raise ModelError(f"{path}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path}: found {type(found).__name__}, expected the config.json of a model")
    outer = cast("dict[str, Any]", found)
    given: dict[str, Any] = outer.get("text_config", outer)
    name = path.parent.name if path.name == "config.json" else path.stem
    return _read(given, name, str(path), outer)


def _read(given: Mapping[str, Any], name: str, where: str, outer: Mapping[str, Any]) -> ModelShape:
    wanted = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
    missing = [key for key in wanted if not isinstance(given.get(key), int)]
    experts = next((given[k] for k in ("num_experts", "num_local_experts", "n_routed_experts") if given.get(k)), 1)
    width: Any = given.get("moe_intermediate_size") if experts > 1 else None
    width = width or given.get("intermediate_size")
    if missing or not isinstance(width, int):
        missing += [] if isinstance(width, int) else ["intermediate_size"]
        raise ModelError(
            f"{where}: no number at {', '.join(missing)}; expected a decoder-only model as transformers saves"
        )
    heads = given["num_attention_heads"]
    kind = str(given.get("model_type", ""))
    return ModelShape(
        name=name,
        layers=given["num_hidden_layers"],
        hidden=given["hidden_size"],
        intermediate=width,
        heads=heads,
        kv_heads=given.get("num_key_value_heads") or heads,
        head_dim=given.get("head_dim") or given["hidden_size"] // heads,
        vocabulary=given["vocab_size"],
        tied=bool(given.get("tie_word_embeddings", outer.get("tie_word_embeddings", False))),
        qkv_bias=bool(given.get("attention_bias", kind == "qwen2")),
        qk_norm=kind.startswith("qwen3"),
        experts=experts,
        active_experts=given.get("num_experts_per_tok", 1) if experts > 1 else 1,
    )
