from __future__ import annotations

from typing import get_args

import pytest

from fairmem.config import DriftConfig, parse_recipe
from fairmem.config.drift import Area, Bias
from fairmem.drift.scenario import DIMENSIONS, DOMAINS
from fairmem.errors import ConfigError


def test_its_names_are_those_of_scenarios() -> None:
    assert get_args(Bias) == DIMENSIONS and get_args(Area) == DOMAINS


def test_by_default_one_bias_and_two_domains_are_held_out() -> None:
    assert len(DriftConfig().biases) == 4 and len(DriftConfig().domains) == 5


@pytest.mark.parametrize("wrong", [{"biases": ["haste"]}, {"domains": []}, {"relevant": 1.5}, {"baseline": "none"}])
def test_a_wrong_value_names_its_key(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"drift\.{next(iter(wrong))}"):
        parse_recipe({"drift": wrong})
