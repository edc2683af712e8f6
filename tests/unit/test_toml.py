from __future__ import annotations

import math
import tomllib
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmem import toml

_scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
_values: st.SearchStrategy[Any] = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=12
)


def test_a_document_reads_as_written_by_hand() -> None:
    data = {"stages": [{"n": 1}, {"n": 2, "in": {"x": 1e-6}}], "name": 'a"b\\', "t": {"on": True, "ids": ["x", "y z"]}}
    assert toml.dumps(data) == (
        'name = "a\\"b\\\\"\n'
        "\n[[stages]]\nn = 1\n"
        "\n[[stages]]\nn = 2\n"
        "\n[stages.in]\nx = 1e-06\n"
        '\n[t]\non = true\nids = ["x", "y z"]\n'
    )


@given(st.dictionaries(st.text(), _values, max_size=4))
def test_what_is_written_reads_back_equal(data: dict[str, Any]) -> None:
    assert tomllib.loads(toml.dumps(data)) == data


def test_a_float_stays_a_float_and_not_a_number_stays_one() -> None:
    back = tomllib.loads(toml.dumps({"one": 1.0, "nan": math.nan, "low": -math.inf}))
    assert type(back["one"]) is float
    assert math.isnan(back["nan"])
    assert back["low"] == -math.inf


@pytest.mark.parametrize("item", [None, date(2024, 1, 1), object()])
def test_what_toml_cannot_say_is_refused(item: object) -> None:
    with pytest.raises(TypeError, match="TOML has no form for"):
        toml.dumps({"a": item})
