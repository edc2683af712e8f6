from __future__ import annotations

import inspect

import pytest

from fairmem.errors import ConfigError
from fairmem.planning import ASSUMPTIONS, DEFAULTS, read_assumptions, table
from fairmem.policy import OpenAIPolicy


def test_an_assumption_is_changed_by_name_and_the_others_stay() -> None:
    changed = read_assumptions(["efficiency.decode=0.4", "overhead.sync=0"])
    assert changed["efficiency.decode"] == 0.4 and changed["overhead.sync"] == 0
    assert changed["efficiency.learn"] == DEFAULTS["efficiency.learn"]
    assert changed.changed == ("efficiency.decode", "overhead.sync")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("efficiency.decod=0.4", "did you mean 'efficiency.decode'"),
        ("nonsense=1", "lists them"),
        ("efficiency.decode=1.5", "found '1.5', expected a share above 0 and up to 1"),
        ("efficiency.decode=0", "expected a share"),
        ("efficiency.decode", "found '', expected a share"),
        ("facts.chars=many", "found 'many', expected a number above 0 (characters)"),
        ("facts.chars=nan", "expected a number above 0"),
        ("overhead.sync=-1", "expected a number above 0 (seconds)"),
    ],
)
def test_a_wrong_assumption_is_one_line_that_says_what_is_expected(word: str, expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_assumptions([word])
    assert expected in str(error.value) and "\n" not in str(error.value)


def test_the_table_lists_every_assumption_with_its_reason_and_marks_changes() -> None:
    text = table(read_assumptions(["reply.spread=3"]))
    assert all(name in text and assumption.why in text for name, assumption in ASSUMPTIONS.items())
    assert "(changed from 2)" in text and text.count("changed from") == 1


def test_requests_in_flight_are_those_of_the_endpoint_policy() -> None:
    signature = inspect.signature(OpenAIPolicy.__init__)
    assert ASSUMPTIONS["answerer.in_flight"].value == signature.parameters["concurrency"].default
