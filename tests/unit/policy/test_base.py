from __future__ import annotations

import subprocess
import sys

import pytest

from fairmem.policy import Message, PolicyStats, SampleRequest


@pytest.mark.parametrize("temperature", [-0.1, float("inf"), float("nan")])
def test_a_temperature_that_is_no_temperature_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        SampleRequest(prompt=(Message("user", "x"),), max_tokens=1, temperature=temperature)


def test_a_request_for_no_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="max_tokens is 0"):
        SampleRequest(prompt=(Message("user", "x"),), max_tokens=0)


def test_stats_add_field_by_field() -> None:
    total = PolicyStats(requests=1, failures=1, micro_batches=2, prompt_tokens=10, generated_tokens=30, seconds=2.0)
    total.add(PolicyStats(requests=3, failures=0, micro_batches=1, prompt_tokens=5, generated_tokens=10, seconds=0.5))

    assert total == PolicyStats(4, 1, 3, 15, 40, 2.5)
    assert total.tokens_per_second == 16.0  # 40 tokens in 2.5 seconds
    assert PolicyStats().tokens_per_second == 0.0


def test_the_package_imports_neither_torch_nor_transformers() -> None:
    code = "import sys, fairmem.policy; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
