from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairmem.errors import ModelError
from fairmem.planning import SHAPES, shape_of, trained_shape
from fairmem.planning.memory import lora_parameters
from fairmem.planning.plan import known_shape
from tests.unit.planning.build import TOY

QWEN3 = {
    "model_type": "qwen3",
    "num_hidden_layers": 36,
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}


@pytest.mark.parametrize(
    ("name", "parameters", "kv_bytes"),
    [
        # layer: q 3584*3584 + 3584, k and v 2*(3584*512 + 512), o 3584*3584, 3*3584*18944, norms 2*3584 = 233,057,792;
        # 28 of them, embedding and output 2*152064*3584, norm 3584
        ("Qwen2.5-7B-Instruct", 28 * 233_057_792 + 2 * 152_064 * 3584 + 3584, 2 * 28 * 4 * 128 * 2),
        # layer: 2048*2048 + 2048, 2*(2048*256 + 256), 2048*2048, 3*2048*11008, 4096 = 77,076,992; embedding tied
        ("Qwen2.5-3B-Instruct", 36 * 77_076_992 + 151_936 * 2048 + 2048, 2 * 36 * 2 * 128 * 2),
        # layer: 2560*4096, 2*2560*1024, 4096*2560, 3*2560*9728, 5120 + 256 = 100,930,816; no biases, two head norms
        ("Qwen3-4B", 36 * 100_930_816 + 151_936 * 2560 + 2560, 2 * 36 * 8 * 128 * 2),
    ],
)
def test_parameters_and_cache_are_those_worked_by_hand(name: str, parameters: int, kv_bytes: int) -> None:
    assert SHAPES[name].parameters == parameters
    assert SHAPES[name].kv_bytes == kv_bytes


def test_the_published_counts_are_met() -> None:
    assert SHAPES["Qwen2.5-7B-Instruct"].parameters == 7_615_616_512
    assert SHAPES["Qwen2.5-3B-Instruct"].parameters == 3_085_938_688
    assert SHAPES["Qwen3-4B"].parameters == 4_022_468_096
    assert SHAPES["Qwen2.5-7B-Instruct"].kv_bytes == 57_344
    # 116.8 B in all, 5.1 B for a token, by the model card; router and biases are left out here
    large = SHAPES["gpt-oss-120b"]
    assert large.parameters == pytest.approx(116.8e9, rel=0.005)
    assert large.active_parameters + large.vocabulary * large.hidden == pytest.approx(5.1e9, rel=0.02)
    assert SHAPES["gpt-oss-20b"].parameters == pytest.approx(20.9e9, rel=0.005)


def test_the_bundled_model_has_as_many_parameters_as_its_file_holds() -> None:
    shape, source = trained_shape("bundled")
    folder = Path(source).parent
    with (folder / "model.safetensors").open("rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    held = 0
    for name, tensor in head.items():
        size = 1
        for axis in tensor.get("shape", []) if name != "__metadata__" else [0]:
            size *= axis
        held += size
    assert shape.parameters == held


def test_a_config_file_gives_the_shape_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(QWEN3))
    shape = shape_of(tmp_path)
    assert shape.parameters == SHAPES["Qwen3-4B"].parameters and shape.kv_bytes == SHAPES["Qwen3-4B"].kv_bytes
    nested = tmp_path / "nested.json"
    nested.write_text(json.dumps({"text_config": {**QWEN3, "head_dim": None}, "tie_word_embeddings": True}))
    assert shape_of(nested).head_dim == 80  # hidden 2560 over 32 heads


def test_a_config_with_experts_counts_all_of_them_and_uses_some(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**QWEN3, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 100}))
    shape = shape_of(path)
    assert (shape.experts, shape.active_experts, shape.intermediate) == (8, 2, 100)
    idle = 36 * 6 * 3 * 2560 * 100
    assert shape.parameters - shape.active_parameters == idle + 151936 * 2560 + 2560


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "not JSON"),
        ("[]", "found list, expected the config.json"),
        ('{"hidden_size": 8}', "no number at num_hidden_layers, num_attention_heads, vocab_size, intermediate_size"),
    ],
)
def test_a_file_that_is_no_config_is_refused_in_one_line(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(ModelError, match=expected) as error:
        shape_of(path)
    assert "\n" not in str(error.value)


def test_a_folder_without_a_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        shape_of(tmp_path)


def test_fine_tuned_models_have_the_shape_of_their_base() -> None:
    def named(name: str) -> Any:
        found = known_shape(name)
        return found and found.name

    assert named("Qwen3-4B-Instruct-2507") == "Qwen3-4B"
    assert named("qwen2.5-7b") == "Qwen2.5-7B-Instruct"
    assert named("Qwen2.5-72B-Instruct") is None


def test_operations_of_a_pass_are_those_worked_by_hand() -> None:
    # 304 parameters are multiplied: two operations each for 10 tokens; attention 4*2*2*2 = 32 per earlier token, of
    # which there are 5; and the output layer 2*10*4 = 80 for 3 tokens.
    assert TOY.parameters == 348 and TOY.active_parameters == 304
    assert TOY.forward_flops(10, 5, 3) == 10 * (608 + 160) + 3 * 80
    assert TOY.kv_bytes == 16 and TOY.activation_bytes == 2 * (16 + 8 + 4 + 32)


def test_a_decode_step_reads_all_dense_weights_but_the_look_up_and_only_some_experts() -> None:
    assert TOY.read_bytes(1) == TOY.read_bytes(64) == 2 * 348
    untied = SHAPES["Qwen2.5-7B-Instruct"]
    assert untied.read_bytes(8) == 2 * (untied.parameters - 152_064 * 3584)
    large = SHAPES["gpt-oss-120b"]
    experts = 36 * 128 * large.expert_parameters
    alone = large.read_bytes(1) / large.weight_bytes
    assert alone == pytest.approx(large.parameters - 201_088 * 2880 - experts * (1 - 4 / 128))
    assert large.read_bytes(1) < large.read_bytes(32) < large.read_bytes(10_000) <= large.served_bytes


def test_adapters_have_rank_times_both_sides_of_every_projection() -> None:
    # q 4->4, k and v 4->2, o 4->4, gate and up 4->8, down 8->4: sides 8 + 6 + 6 + 8 + 12 + 12 + 12 = 64, two layers
    assert lora_parameters(TOY, 3) == 2 * 3 * 64
