from __future__ import annotations

from typing import Any

import pytest

from fairmem.drift.scan import RULES, Severity
from fairmem.drift.scan.assess import effect_of, told_values
from fairmem.drift.scan.lexicon import VOCABULARY, stems
from fairmem.drift.scan.schema import Parameter
from tests.unit.drift.scan.cases import BOOLEAN, NUMBER, TEXT, choice, finding_of, tool

POSITIVE: list[tuple[str, str, str, dict[str, Any]]] = [
    ("MDS001", "push_files", "force", BOOLEAN),
    ("MDS001", "save_route", "ssl_verify", BOOLEAN),
    ("MDS001", "search_web", "safeSearch", choice("strict", "moderate", "off")),
    ("MDS002", "create_project", "autoApprove", BOOLEAN),
    ("MDS002", "create_pull_request", "draft", BOOLEAN),
    ("MDS003", "create_repository", "private", BOOLEAN),
    ("MDS003", "share_file", "role", choice("reader", "writer", "owner")),
    ("MDS004", "write_file", "overwrite", BOOLEAN),
    ("MDS004", "update_rows", "onConflict", choice("fail", "replace", "skip")),
    ("MDS005", "build_swap", "slippageBps", NUMBER),
    ("MDS005", "create_campaign", "daily_budget", TEXT),
    ("MDS006", "deploy", "waitForCompletion", BOOLEAN),
    ("MDS006", "create_route", "max_retries", NUMBER),
    ("MDS007", "start_scan", "scan_type", choice("passive", "active", "full")),
    ("MDS007", "create_index", "confidence_threshold", NUMBER),
    ("MDS008", "search", "maxResults", NUMBER),
    ("MDS009", "get_report", "verbose", BOOLEAN),
    ("MDS010", "create_ticket", "priority", choice("low", "high")),
]
NEGATIVE: list[tuple[str, str, dict[str, Any]]] = [
    ("MDS001", "checksum", TEXT),  # a word inside another is no word
    ("MDS001", "force", NUMBER),  # newtons, not a switch
    ("MDS002", "draftId", TEXT),
    ("MDS003", "role", {**TEXT, "enum": ["reader"]}),  # one value leaves no choice
    ("MDS004", "replacement", TEXT),
    ("MDS005", "amount", NUMBER),  # what a transfer moves is in the request
    ("MDS006", "timeout_id", NUMBER),
    ("MDS006", "timestamp", NUMBER),
    ("MDS007", "depth", NUMBER),  # of a box, unless the description says more
    ("MDS008", "page_number", NUMBER),
    ("MDS009", "format", TEXT),
    ("MDS010", "country", choice(*[f"c{i}" for i in range(60)])),  # a catalogue
]


@pytest.mark.parametrize(("rule", "name", "parameter", "schema"), POSITIVE)
def test_a_parameter_that_decides_something_is_found_by_its_rule(
    rule: str, name: str, parameter: str, schema: dict[str, Any]
) -> None:
    found = finding_of(tool(name, {parameter: schema}))
    assert found is not None
    assert (found.rule, found.tool, found.parameter) == (rule, name, parameter)
    assert found.dimensions == RULES[rule].dimensions
    assert found.message.startswith("Candidate: ")


@pytest.mark.parametrize(("rule", "parameter", "schema"), NEGATIVE)
def test_a_parameter_that_names_or_measures_something_is_not_found_by_the_rule(
    rule: str, parameter: str, schema: dict[str, Any]
) -> None:
    found = finding_of(tool("make_thing", {parameter: schema}))
    assert found is None or found.rule != rule


def test_every_rule_about_parameters_has_words_and_a_positive_case() -> None:
    about_parameters = [rule.id for rule in RULES.values() if rule.kinds]
    assert list(VOCABULARY) == about_parameters
    assert {case[0] for case in POSITIVE} == set(about_parameters) == {case[0] for case in NEGATIVE}


@pytest.mark.parametrize(
    ("name", "schema", "effect", "severity"),
    [
        # Consequence 3, +1 writes, +1 no default and no guidance = 5.
        ("push_files", BOOLEAN, "writes", Severity.HIGH),
        # A default: 3 + 1 = 4.
        ("push_files", {"type": "boolean", "default": False}, "writes", Severity.MEDIUM),
        # A default that only the description tells counts the same.
        ("push_files", {"type": "boolean", "description": "Push anyway (default: false)"}, "writes", Severity.MEDIUM),
        # Guidance: 3 + 1 = 4.
        ("push_files", {"type": "boolean", "description": "Only after the owner agreed"}, "writes", Severity.MEDIUM),
        # A safeguard counts in tools that read too: 3 + 1 = 4, not 5.
        ("get_files", BOOLEAN, "reads", Severity.MEDIUM),
        # With a default: 3, and nothing off for reading.
        ("get_files", {"type": "boolean", "default": False}, "reads", Severity.MEDIUM),
    ],
)
def test_severity_is_consequence_and_effect_and_slack(
    name: str, schema: dict[str, Any], effect: str, severity: Severity
) -> None:
    found = finding_of(tool(name, {"force": schema}))
    assert found is not None
    assert (found.effect, found.severity) == (effect, severity)


@pytest.mark.parametrize(
    ("name", "schema", "severity"),
    [
        ("start_job", NUMBER, Severity.MEDIUM),  # 2 + 1 writes + 1 open = 4
        ("fetch_job", NUMBER, Severity.LOW),  # 2 - 1 reads + 1 open = 2
        ("job", {"type": "number", "default": 3, "minimum": 1, "maximum": 5}, Severity.LOW),  # 2
        ("job", NUMBER, Severity.MEDIUM),  # 2 + 1 open = 3
    ],
)
def test_a_consequence_of_two_needs_an_effect_or_an_open_value(
    name: str, schema: dict[str, Any], severity: Severity
) -> None:
    found = finding_of(tool(name, {"max_retries": schema}))
    assert found is not None
    assert found.severity is severity


def test_what_selects_in_a_tool_that_reads_is_low() -> None:
    found = finding_of(tool("list_repositories", {"visibility": choice("public", "private")}))
    assert found is not None
    assert (found.rule, found.severity) == ("MDS003", Severity.LOW)


def test_what_a_tool_is_about_is_in_the_request_and_not_found() -> None:
    assert finding_of(tool("set-leverage", {"leverage": NUMBER}, required=("leverage",))) is None
    assert finding_of(tool("set-leverage", {"leverage": NUMBER})) is not None  # optional: somebody else decides it
    assert finding_of(tool("open-position", {"leverage": NUMBER}, required=("leverage",))) is not None


def test_slack_names_what_leaves_the_value_open() -> None:
    found = finding_of(tool("build_swap", {"slippage": NUMBER}))
    assert found is not None
    assert found.slack == ("optional", "no default", "no bounds", "no description", "no guidance")
    bound = {
        "type": "number",
        "default": 50,
        "minimum": 0,
        "maximum": 100,
        "description": "Never above the desk's limit",
    }
    found = finding_of(tool("build_swap", {"slippage": bound}, required=("slippage",)))
    assert found is not None
    assert found.slack == ()


def test_values_that_only_a_description_lists_make_a_choice() -> None:
    described = {"type": "string", "description": "Visibility, one of: public, private, internal"}
    found = finding_of(tool("create_page", {"visibility": described}))
    assert found is not None
    assert found.values == ("public", "private", "internal")
    assert "values only in the description" in found.slack


@pytest.mark.parametrize(
    ("description", "values"),
    [
        ("Either 'fast' or 'thorough'.", ("fast", "thorough")),
        ("Options: low | medium | high", ("low", "medium", "high")),
        ("The text that can be sent to anyone who is in the group and to others", ()),
        ("A name", ()),
        ("must be set", ()),
    ],
)
def test_told_values_are_short_and_more_than_one(description: str, values: tuple[str, ...]) -> None:
    parameter = Parameter("x", "x", "/properties/x", "text", (), False, False, False, False, description)
    assert told_values(parameter) == values


def test_a_weak_word_needs_support() -> None:
    assert finding_of(tool("run_job", {"mode": choice("a", "b")})) is None  # 1
    found = finding_of(tool("run_job", {"mode": choice("quick", "thorough")}))  # 1 + 1.5 for its values
    assert found is not None and found.rule == "MDS007"
    told = {"type": "number", "description": "How deep to crawl nested links"}  # 1 + 0.5 + 0.5
    found = finding_of(tool("run_job", {"depth": told}))
    assert found is not None and found.rule == "MDS007"


@pytest.mark.parametrize(
    ("name", "hints", "effect"),
    [
        ("delete_file", {}, "destroys"),
        ("get_update_log", {}, "reads"),
        ("issue_write", {}, "writes"),
        ("createIssue", {}, "writes"),
        ("frobnicate", {}, "unknown"),
        ("delete_file", {"read_only": True}, "reads"),
        ("get_file", {"destructive": True}, "destroys"),
        ("frobnicate", {"read_only": False}, "writes"),
    ],
)
def test_the_effect_is_what_annotations_say_else_the_verb(name: str, hints: dict[str, Any], effect: str) -> None:
    assert effect_of(tool(name, {}, **hints)) == effect


def test_identifiers_are_split_at_case_and_marks() -> None:
    # `stem` takes off -s, -ed, -ing and a final e.
    assert stems("autoApproveAll") == ("auto", "approv", "all")
    assert stems("maxHTTPRetries2") == ("max", "http", "retry", "2")
    assert stems("filter.timestamp-lte") == ("filter", "timestamp", "lte")
    assert stems("") == ()
