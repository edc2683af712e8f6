import hashlib

import pytest

from fairmem.agents.prompts import FAMILIES, VARIABLES, PromptTemplate, Template, load_prompt
from fairmem.errors import ConfigError
from fairmem.policy import Message


def test_every_role_of_every_family_has_a_prompt_with_exactly_its_variables() -> None:
    assert {family for family, _ in VARIABLES} == set(FAMILIES)
    for (family, role), variables in VARIABLES.items():
        used = [template.variables for _, template in load_prompt(family, role).messages]
        assert frozenset[str]().union(*used) == variables


def test_no_two_prompts_share_a_hash() -> None:
    assert len({load_prompt(family, role).prompt_hash for family, role in VARIABLES}) == len(VARIABLES)


def test_the_hash_is_the_sha256_of_the_file_text() -> None:
    text = "Hello {{name}}\n"
    compiled = PromptTemplate.compile(text, frozenset({"name"}), "here")
    assert compiled.prompt_hash == hashlib.sha256(b"Hello {{name}}\n").hexdigest()


def test_an_undefined_variable_stops_with_the_file_named() -> None:
    with pytest.raises(ConfigError, match=r"here: .* undefined \['nmae'\], unused \['name'\]"):
        PromptTemplate.compile("Hello {{nmae}}", frozenset({"name"}), "here")


def test_an_unused_variable_stops_too() -> None:
    with pytest.raises(ConfigError, match=r"undefined \[\], unused \['age'\]"):
        PromptTemplate.compile("Hello {{name}}", frozenset({"name", "age"}), "here")


def test_an_unknown_family_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="no prompt 'verbose/manager'; expected one of compact/answerer"):
        load_prompt("verbose", "manager")  # pyright: ignore[reportArgumentType]


def test_a_variable_alone_on_its_line_takes_the_line_with_it_when_empty() -> None:
    template = Template.compile("{{first}}\na\n{{x}}\n{{y}}\nb {{z}}\n")
    empty = dict.fromkeys(["first", "x", "y", "z"], "")
    assert template.render(empty) == "a\nb \n"
    assert template.render({"first": "0", "x": "1", "y": "2", "z": "3"}) == "0\na\n1\n2\nb 3\n"


def test_two_variables_on_one_line_stand_where_they_are() -> None:
    template = Template.compile("\n{{x}}{{y}}\nb")
    assert template.render({"x": "", "y": ""}) == "\n\nb"
    assert template.render({"x": "1", "y": "2"}) == "\n12\nb"


def test_a_value_is_never_expanded_again() -> None:
    assert Template.compile("{{x}} {{y}}").render({"x": "{{y}}", "y": "2"}) == "{{y}} 2"


def test_marked_messages_keep_their_roles_and_order() -> None:
    compiled = PromptTemplate.compile(
        "<!-- system -->\nBe brief.\n<!-- user -->\nHi {{name}}.\n", frozenset({"name"}), "here"
    )
    assert compiled.render({"name": "Bo"}) == (Message("system", "Be brief."), Message("user", "Hi Bo."))
