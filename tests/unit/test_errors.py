from __future__ import annotations

import pickle
import re

import pytest

from fairmem import errors
from fairmem.errors import ConfigError, CreditError, DataError, FairmemError, MissingExtraError, boundary


def _subclasses(root: type[FairmemError]) -> set[type[FairmemError]]:
    return {root}.union(*(_subclasses(child) for child in root.__subclasses__() if child.__module__ == errors.__name__))


def test_the_tree_in_the_docstring_names_every_error_with_its_built_in_parent() -> None:
    printed = dict(re.findall(r"[├└]── (\w+) \((\w+)\)", errors.__doc__ or ""))
    actual = {
        error.__name__: next(base.__name__ for base in error.__bases__ if base is not FairmemError)
        for error in _subclasses(FairmemError) - {FairmemError}
    }
    assert printed == actual


def test_every_error_survives_pickling() -> None:
    for error in _subclasses(FairmemError):
        copy = pickle.loads(pickle.dumps(error("found 3, expected 4")))
        assert type(copy) is error
        assert str(copy) == "found 3, expected 4"


def test_a_missing_extra_says_the_line_that_installs_it() -> None:
    error = MissingExtraError.of("peft", "lora", "model.lora_rank = 8")
    assert str(error).endswith("run: pip install 'fairmem[lora]'")
    assert "peft" in str(error) and "model.lora_rank = 8" in str(error)


def test_the_boundary_keeps_the_cause() -> None:
    with (
        pytest.raises(DataError, match=r"^reward 'mine': KeyError: 'x'$") as caught,
        boundary(DataError, "reward 'mine'"),
    ):
        raise KeyError("x")
    assert isinstance(caught.value.__cause__, KeyError)


def test_the_boundary_lets_fairmem_errors_through_unchanged() -> None:
    original = CreditError("shape")
    with pytest.raises(CreditError) as caught, boundary(ConfigError, "anything"):
        raise original
    assert caught.value is original


def test_the_boundary_does_not_swallow_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), boundary(ConfigError, "anything"):
        raise KeyboardInterrupt
