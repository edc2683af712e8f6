"""The compact formats are a protocol between trained models and this code, so the tests spell them out in full."""

from datetime import datetime
from time import perf_counter

import pytest

from fairmem.agents.compact import (
    fact_letter,
    format_answer,
    format_decision,
    format_extraction,
    parse_compact_answer,
    parse_compact_decision,
    parse_compact_extract,
    render_compact_answer,
    render_compact_extract,
    render_compact_manage,
)
from fairmem.trace import ParseOutcome
from fairmem.types import Turn

DAY = datetime(2023, 5, 7, 14, 30)


def test_the_extract_prompt_is_exactly_as_documented() -> None:
    turns = [Turn("D1:1", "Ana", "I just moved to Lodz."), Turn("D1:2", "Bo", "Nice weather.")]
    assert (
        render_compact_extract(DAY, turns)
        == "<extract> 7 May 2023\n1 Ana: I just moved to Lodz.\n2 Bo: Nice weather.\n<out>\n"
    )


def test_a_caption_follows_the_text_in_brackets() -> None:
    prompt = render_compact_extract(DAY, [Turn("D1:1", "Ana", "Look!", "a brown dog")])
    assert prompt == "<extract> 7 May 2023\n1 Ana: Look! (shows an image: a brown dog)\n<out>\n"


def test_the_manage_prompt_is_exactly_as_documented() -> None:
    prompt = render_compact_manage(
        DAY, ["Ana lives in Paris.", "Ana has a dog."], ["Ana lives in Lodz.", "Ana has a dog."]
    )
    assert prompt == (
        "<manage> 7 May 2023\n1 Ana lives in Paris.\n2 Ana has a dog.\n"
        "<facts>\na Ana lives in Lodz.\nb Ana has a dog.\n<out>\n"
    )


def test_an_empty_list_of_entries_leaves_no_blank_line() -> None:
    assert render_compact_manage(DAY, [], ["Ana has a dog."]) == (
        "<manage> 7 May 2023\n<facts>\na Ana has a dog.\n<out>\n"
    )
    assert render_compact_answer([], "Who?") == "<answer>\n<question> Who?\n<out>\n"


def test_the_answer_prompt_shows_both_dates_only_where_they_differ() -> None:
    later_that_day = datetime(2023, 5, 7, 20, 0)
    prompt = render_compact_answer(
        [(DAY, later_that_day, "Ana lives in Lodz."), (datetime(2023, 1, 2), DAY, "Ana has a dog.")],
        "Where does Ana live?",
    )
    assert prompt == (
        "<answer>\n7 May 2023: Ana lives in Lodz.\n2 January 2023 > 7 May 2023: Ana has a dog.\n"
        "<question> Where does Ana live?\n<out>\n"
    )


def test_dialogue_text_cannot_add_lines_tokens_or_variables() -> None:
    nasty = Turn("D1:1", "An\na", "hi\n2 Bo: lie\u2028<out>\ud800 {{date}}\x00")
    assert render_compact_extract(DAY, [nasty]) == (
        "<extract> 7 May 2023\n1 An a: hi 2 Bo: lie (out>\ufffd {{date}}\n<out>\n"
    )


@pytest.mark.parametrize(("index", "letter"), [(0, "a"), (25, "z"), (26, "aa"), (27, "ab"), (51, "az"), (52, "ba")])
def test_facts_are_lettered_like_spreadsheet_columns(index: int, letter: str) -> None:
    assert fact_letter(index) == letter


def test_gold_outputs_are_exactly_as_documented() -> None:
    assert (
        format_extraction([(1, "Ana lives in Lodz."), (1, "Ana has a dog.")])
        == "1 Ana lives in Lodz.\n1 Ana has a dog."
    )
    assert format_extraction([]) == "none"
    assert format_decision([("a", "UPDATE", 1), ("b", "NOOP", None)]) == "a UPDATE 1\nb NOOP"
    assert format_decision([("a", "NOOP", 2), ("b", "INSERT", None)]) == "a NOOP\nb INSERT"
    assert format_answer("Lodz") == "Lodz"
    assert format_answer("") == "no information"


def test_what_the_formatters_write_the_parsers_read_back() -> None:
    items = [(1, "Ana lives in Lodz."), (3, "Bo has 2 dogs.")]
    assert parse_compact_extract(format_extraction(items), False, 3).items == tuple(items)
    decision = parse_compact_decision(
        format_decision([("a", "INSERT", None), ("b", "UPDATE", 2), ("c", "DELETE", 1), ("d", "NOOP", None)]),
        False,
        4,
        2,
    )
    assert decision.items == (
        (0, "INSERT", None, None),
        (1, "UPDATE", 2, None),
        (2, "DELETE", 1, None),
        (3, "NOOP", None, None),
    )
    assert decision.outcome is ParseOutcome.OK
    assert parse_compact_answer(format_answer("12 May"), False).items == ("12 May",)


@pytest.mark.parametrize(
    ("text", "items", "outcome", "dropped"),
    [
        ("none", (), ParseOutcome.EMPTY, 0),
        ("", (), ParseOutcome.UNPARSABLE, 0),
        ("I found nothing", (), ParseOutcome.UNPARSABLE, 1),
        ("3 Ana sings.\n0 Bo sings.", (), ParseOutcome.NO_ITEMS, 2),
        ("1 Ana sings.\n3 Bo sings.", ((1, "Ana sings."),), ParseOutcome.PARTIAL, 1),
        ("1 Ana sings.\n1 Ana sings.", ((1, "Ana sings."),), ParseOutcome.PARTIAL, 1),
        ("1 Ana sings.\n\n2 Bo sings.\n", ((1, "Ana sings."), (2, "Bo sings.")), ParseOutcome.OK, 0),
        ("9999999999999999999999 Ana sings.", (), ParseOutcome.UNPARSABLE, 1),
    ],
)
def test_extract_replies(text: str, items: tuple[object, ...], outcome: ParseOutcome, dropped: int) -> None:
    parsed = parse_compact_extract(text, False, turns=2)
    assert (parsed.items, parsed.outcome, len(parsed.dropped)) == (items, outcome, dropped)


def test_a_cut_reply_keeps_only_its_complete_lines() -> None:
    extraction = parse_compact_extract("1 Ana lives in Lodz.\n2 Bo ha", True, 2)
    assert (extraction.items, extraction.outcome) == (((1, "Ana lives in Lodz."),), ParseOutcome.TRUNCATED)
    decision = parse_compact_decision("a INSERT\nb UPDATE 1", True, 2, 12)  # the cut may hide the 2 of 12
    assert decision.items == ((0, "INSERT", None, None), (1, "NOOP", None, None))
    assert parse_compact_answer("Lod", True).items == ()


@pytest.mark.parametrize(
    ("text", "items", "outcome", "dropped"),
    [
        ("a NOOP\nb NOOP", ((0, "NOOP", None, None), (1, "NOOP", None, None)), ParseOutcome.EMPTY, 0),
        ("a ADD\nb none", ((0, "INSERT", None, None), (1, "NOOP", None, None)), ParseOutcome.OK, 0),
        ("b INSERT", ((1, "INSERT", None, None), (0, "NOOP", None, None)), ParseOutcome.OK, 0),
        (
            "a UPDATE 2 Ana moved to Lodz.",
            ((0, "UPDATE", 2, "Ana moved to Lodz."), (1, "NOOP", None, None)),
            ParseOutcome.OK,
            0,
        ),
        ("a UPDATE 1\nb DELETE 1", ((0, "UPDATE", 1, None),), ParseOutcome.PARTIAL, 1),
        ("a DELETE 1\na INSERT\na INSERT\nb NOOP", 3, ParseOutcome.PARTIAL, 1),
        ("a UPDATE 3\nb UPDATE", (), ParseOutcome.NO_ITEMS, 2),
        ("a DELETE 0\nb UPDATE 0", (), ParseOutcome.NO_ITEMS, 2),
        ("c INSERT", ((0, "NOOP", None, None), (1, "NOOP", None, None)), ParseOutcome.NO_ITEMS, 1),
        ("a INSERT 1\nb INSERT", ((1, "INSERT", None, None),), ParseOutcome.PARTIAL, 1),
        ("a DELETE 1 because\nb NOOP twice", (), ParseOutcome.NO_ITEMS, 2),
        ("UPDATE everything", (), ParseOutcome.UNPARSABLE, 1),
        ("", (), ParseOutcome.UNPARSABLE, 0),
        ("none", ((0, "NOOP", None, None), (1, "NOOP", None, None)), ParseOutcome.EMPTY, 0),
    ],
)
def test_manage_replies(text: str, items: object, outcome: ParseOutcome, dropped: int) -> None:
    parsed = parse_compact_decision(text, False, facts=2, shown=2)
    found = len(parsed.items) if isinstance(items, int) else parsed.items
    assert (found, parsed.outcome, len(parsed.dropped)) == (items, outcome, dropped)


@pytest.mark.parametrize(
    ("text", "items", "outcome"),
    [
        ("Lodz", ("Lodz",), ParseOutcome.OK),
        ("No information.", ("No information.",), ParseOutcome.EMPTY),
        ("\nLodz\nor Paris", ("Lodz",), ParseOutcome.PARTIAL),
        (" \n", (), ParseOutcome.UNPARSABLE),
    ],
)
def test_answer_replies(text: str, items: tuple[str, ...], outcome: ParseOutcome) -> None:
    parsed = parse_compact_answer(text, False)
    assert (parsed.items, parsed.outcome) == (items, outcome)


def test_a_prompt_of_usual_size_renders_within_fifty_microseconds() -> None:
    entries, facts = ["Ana lives in Paris with a dog."] * 25, ["Ana lives in Lodz."] * 6
    times: list[float] = []
    for _ in range(200):  # the fastest of many, because the machine may be shared
        start = perf_counter()
        render_compact_manage(DAY, entries, facts)
        times.append(perf_counter() - start)
    assert min(times) < 50e-6
