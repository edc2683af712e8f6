from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from fairmem.seeds import derive, numpy_rng, python_rng


def test_a_stream_is_pinned() -> None:
    # sha256("i7/s7:rollout/i3"), its first 8 bytes as a big-endian integer, shifted right once:
    # printf 'i7/s7:rollout/i3' | sha256sum  ->  84aae589714431eb83d0...
    assert derive(7, "rollout", 3) == 0x84AAE589714431EB >> 1


def test_a_stream_does_not_depend_on_the_process() -> None:
    code = "from fairmem.seeds import derive; print(derive(1, 'a', 2))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": salt}, capture_output=True, text=True
        ).stdout
        for salt in ("1", "2")
    }
    assert seen == {f"{derive(1, 'a', 2)}\n"}


def test_paths_that_read_alike_are_different_streams() -> None:
    paths = [(1, 23), (12, 3), ("1", 23), ("a", "b"), ("a/s1:b",), ("ab",), (), (0,), ("",)]
    assert len({derive(0, *path) for path in paths}) == len(paths)


def test_seeds_fit_63_bits() -> None:
    assert all(0 <= derive(seed) < 2**63 for seed in range(200))


def test_streams_do_not_depend_on_the_order_of_drawing() -> None:
    first, second = numpy_rng(0, "a").random(3), numpy_rng(0, "b").random(3)
    again = numpy_rng(0, "b").random(3), numpy_rng(0, "a").random(3)
    assert np.array_equal(second, again[0])
    assert np.array_equal(first, again[1])
    assert python_rng(0, "a").random() == python_rng(0, "a").random()


@pytest.mark.parametrize("name", [1.0, True, np.int64(3), b"a", None])
def test_a_path_takes_nothing_without_a_stable_identity(name: object) -> None:
    with pytest.raises(TypeError, match="takes str and int"):
        derive(0, name)  # pyright: ignore[reportArgumentType]
