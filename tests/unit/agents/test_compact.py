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
        "<answer>\nAna lives in Lodz. | 7 May 2023\nAna has a dog. | 2 January 2023 > 7 May 2023\n"
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
    paris = "Ana lives in Paris."
    assert format_decision([("a", "UPDATE", paris), ("b", "NOOP", None)]) == "a UPDATE Ana lives in Paris.\nb NOOP"
    assert format_decision([("a", "NOOP", paris), ("b", "INSERT", None)]) == "a NOOP\nb INSERT"
    assert format_decision([("a", "DELETE", "Ana <3 Paris.")]) == "a DELETE Ana (3 Paris."
    assert format_decision([]) == "none"


@pytest.mark.parametrize(
    ("support", "reply"),
    [
        ([("Ana lives in Lodz.", "Lodz")], "Ana lives in =Lodz=."),
        # A part the sentence does not contain is marked behind it.
        ([("Ana visited Peru.", "30 July 2023")], "Ana visited Peru. =30 July 2023="),
        ([("Ana lives in Lodz.", "yes")], "Ana lives in Lodz. =yes="),
        # The first of two hops gives no part of the answer.
        ([("Bo works as a baker.", ""), ("Bo lives in Oslo.", "Oslo")], "Bo works as a baker. Bo lives in =Oslo=."),
        ([("Ana has a cat.", "cat"), ("Ana has a dog.", "dog")], "Ana has a =cat=. Ana has a =dog=."),
        # The value stands last, whatever else has its name.
        ([("Lodz lives in Lodz.", "Lodz")], "Lodz lives in =Lodz=."),
        ([], "no information"),
    ],
)
def test_answers_quote_what_they_rest_on_and_mark_what_answers(support: list[tuple[str, str]], reply: str) -> None:
    assert format_answer(support) == reply


def test_what_the_formatters_write_the_parsers_read_back() -> None:
    items = [(1, "Ana lives in Lodz."), (3, "Bo has 2 dogs.")]
    assert parse_compact_extract(format_extraction(items), False, 3).items == tuple(items)
    shown = ["Ana lives in Paris.", "Bo <3  dogs."]
    decision = parse_compact_decision(
        format_decision(
            [("a", "INSERT", None), ("b", "UPDATE", shown[1]), ("c", "DELETE", shown[0]), ("d", "NOOP", None)]
        ),
        False,
        4,
        shown,
    )
    assert decision.items == (
        (0, "INSERT", None, None),
        (1, "UPDATE", 2, None),
        (2, "DELETE", 1, None),
        (3, "NOOP", None, None),
    )
    assert decision.outcome is ParseOutcome.OK
    answer = format_answer([("Ana has a cat.", "cat"), ("Ana has a dog.", "dog"), ("Ana visited Peru.", "12 May")])
    assert parse_compact_answer(answer, False).items == ("cat, dog, 12 May",)
    assert parse_compact_answer(format_answer([]), False).outcome is ParseOutcome.EMPTY


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
    shown = [f"Ana has {number} dogs." for number in range(1, 13)]
    decision = parse_compact_decision("a INSERT\nb UPDATE 1", True, 2, shown)  # the cut may hide the 2 of 12
    assert decision.items == ((0, "INSERT", None, None), (1, "NOOP", None, None))
    assert parse_compact_answer("Ana lives in =Lod", True).items == ()


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
        (
            "a UPDATE Ana lives in Paris.\nb DELETE Ana has a dog.",
            ((0, "UPDATE", 1, None), (1, "DELETE", 2, None)),
            ParseOutcome.OK,
            0,
        ),
        ("a UPDATE 1\nb DELETE 1", ((0, "UPDATE", 1, None),), ParseOutcome.PARTIAL, 1),
        ("a UPDATE Ana lives in Paris.\nb DELETE 1", ((0, "UPDATE", 1, None),), ParseOutcome.PARTIAL, 1),
        ("a UPDATE Ana lives in Paris\nb DELETE Bo has a dog.", (), ParseOutcome.NO_ITEMS, 2),
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
    parsed = parse_compact_decision(text, False, 2, ["Ana lives in Paris.", "Ana has a dog."])
    found = len(parsed.items) if isinstance(items, int) else parsed.items
    assert (found, parsed.outcome, len(parsed.dropped)) == (items, outcome, dropped)


def test_an_entry_is_named_by_its_content_before_its_number() -> None:
    # Of two equal entries the first is meant; an entry whose content is a number is named by it.
    shown = ["Ana sings.", "Ana sings.", "2", "Ana  <3 Bo."]
    assert parse_compact_decision("a DELETE Ana sings.", False, 1, shown).items == ((0, "DELETE", 1, None),)
    assert parse_compact_decision("a DELETE 2", False, 1, shown).items == ((0, "DELETE", 3, None),)
    # Contents are compared as the prompt shows them.
    assert parse_compact_decision("a UPDATE Ana (3 Bo.", False, 1, shown).items == ((0, "UPDATE", 4, None),)


def test_no_text_can_plant_the_mark_of_an_answer() -> None:
    sly = "Ana says x =Paris= y<br>and 1 == 2."
    seen = "Ana says x Paris y(br>and 1 2."
    assert render_compact_answer([(DAY, DAY, sly)], "Is =it= so?") == (
        f"<answer>\n{seen} | 7 May 2023\n<question> Is it so?\n<out>\n"
    )
    # A model that copies what it was shown brings no mark but its own, and neither do demonstrations.
    assert parse_compact_answer(f"{seen} =yes=", False).items == ("yes",)
    assert format_answer([(sly, "yes")]) == f"{seen} =yes="
    assert format_answer([("Ana owes 2 = two.", "2 = two")]) == "Ana owes =2 two=."


@pytest.mark.parametrize(
    ("text", "items", "outcome"),
    [
        ("Lodz", ("Lodz",), ParseOutcome.OK),
        ("Ana lives in =Lodz=.", ("Lodz",), ParseOutcome.OK),
        ("Ana has a = cat =. Ana has a =dog=.", ("cat, dog",), ParseOutcome.OK),
        ("Bo is a baker. Bo lives in =New York=.", ("New York",), ParseOutcome.OK),
        ("=no information=", ("no information",), ParseOutcome.EMPTY),
        # A mark that does not close, or holds nothing, is none.
        ("Ana lives in =Lodz.", ("Ana lives in =Lodz.",), ParseOutcome.OK),
        ("Lodz = =", ("Lodz = =",), ParseOutcome.OK),
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


def test_every_item_has_the_place_of_its_line() -> None:
    text = "1 Ana owns a cup.\n\n9 no such turn\n  2 Bo owns a fork. \n1 Ana owns a cup."
    parsed = parse_compact_extract(text, False, 2)
    assert [text[slice(*span)] for span in parsed.spans if span] == ["1 Ana owns a cup.", "  2 Bo owns a fork. "]
    text = "b UPDATE 1\na WHAT\nc INSERT"
    decided = parse_compact_decision(text, False, 4, ["Ana runs."])
    # Facts a and d are mentioned by no line that could be read; nothing is said of where.
    assert [None if s is None else text[slice(*s)] for s in decided.spans] == ["b UPDATE 1", "c INSERT", None, None]
    assert len(decided.items) == 4
