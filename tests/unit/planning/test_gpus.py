from __future__ import annotations

import pytest

from fairmem.errors import ConfigError
from fairmem.planning import GPUS, read_machine


@pytest.mark.parametrize(
    ("text", "name", "count"),
    [("8xH100", "H100", 8), ("h100", "H100", 1), ("4xA100-80GB", "A100-80", 4), ("2x RTX 4090", "RTX4090", 2)],
)
def test_a_machine_is_named_by_count_and_kind(text: str, name: str, count: int) -> None:
    machine = read_machine(text)
    assert (machine.gpu.name, machine.count) == (name, count)


def test_more_gpus_than_a_node_holds_are_several_nodes() -> None:
    assert read_machine("16xH100").nodes == 2
    assert read_machine("9xH100").nodes == 2
    assert read_machine("8xA10G").nodes == 2  # four to a node
    assert read_machine("8xH100", per_node=2).nodes == 4


@pytest.mark.parametrize("text", ["8xH1OO", "0xH100", "x", "", "8x", "-1xH100", "H100x8"])
def test_what_is_no_machine_is_refused_with_the_kinds_there_are(text: str) -> None:
    with pytest.raises(ConfigError, match="expected COUNTxKIND, as in 8xH100, of A100-40"):
        read_machine(text)


def test_a_misspelt_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean H200"):
        read_machine("8xH20")


def test_a_node_without_gpus_is_refused() -> None:
    with pytest.raises(ConfigError, match="GPUs per node is 0"):
        read_machine("8xH100", per_node=0)


def test_every_gpu_says_where_its_figures_are_from() -> None:
    assert set(GPUS) == {"A100-40", "A100-80", "H100", "H200", "B200", "L40S", "A10G", "L4", "RTX4090"}
    for gpu in GPUS.values():
        assert gpu.source and 20 < gpu.memory_gib < 200 and 1e11 < gpu.bandwidth < 1e13 and 5e13 < gpu.flops < 5e15
