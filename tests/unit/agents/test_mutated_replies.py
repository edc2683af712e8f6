"""100,000 damaged replies: whatever a model writes, a parser returns one named outcome and only permitted items."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import pytest

from fairmem.agents import Answerer, Decision, Extractor, Fact, Manager, SingleAgent, TurnContext
from fairmem.memory import Bm25Retriever, Delete, Entry, Insert, Noop, Update
from fairmem.trace import ParseOutcome
from fairmem.types import Turn

Family = Literal["instruct", "compact"]
FAMILIES: tuple[Family, ...] = ("instruct", "compact")
REPLIES = 100_000

DAY = datetime(2023, 5, 7)
CONTEXT = TurnContext(
    "c1",
    ("Ana", "Bo"),
    session=3,
    chunk=0,
    time=DAY,
    turns=(
        Turn("D3:1", "Ana", "I moved to Lodz."),
        Turn("D3:2", "Bo", "I sold my car."),
        Turn("D3:3", "Ana", "Rex says hi.", "a dog"),
    ),
)
FACTS = (
    Fact("Ana", "Ana lives in Lodz.", "D3:1"),
    Fact("Bo", "Bo sold his car.", "D3:2"),
    Fact("Ana", "Ana has a dog called Rex.", "D3:3"),
)


def _entry(id: int, speaker: str, content: str) -> Entry:
    return Entry(id, speaker, content, 1, datetime(2023, 1, 2), 2, datetime(2023, 2, 3), (f"D1:{id}",), "INSERT")


RELATED = (
    _entry(4, "Ana", "Ana lives in Paris."),
    _entry(7, "Bo", "Bo has a car."),
    _entry(9, "Ana", "Ana has a dog."),
)

VALID: dict[tuple[str, Family], tuple[str, ...]] = {
    ("extractor", "compact"): ("1 Ana lives in Lodz.\n2 Bo sold his car.\n3 Ana has a dog called Rex.", "none"),
    ("manager", "compact"): (
        "a UPDATE Ana lives in Paris.\nb DELETE Bo has a car.\nc UPDATE 3 Ana has a dog, Rex.",
        "a UPDATE 1\nb DELETE 2\nc UPDATE Ana has a dog.",
        "a INSERT\nb NOOP\nc NOOP",
        "none",
    ),
    ("single", "compact"): (
        "a UPDATE 1 Ana lives in Lodz.\nb DELETE Bo has a car.\nc INSERT Ana has a dog called Rex.",
        "a INSERT Ana lives in Lodz.\na INSERT Ana moved.\nb NOOP",
        "none",
    ),
    ("answerer", "compact"): (
        "Ana lives in =Lodz=.",
        "no information",
        "Bo has a car. =2 January 2023=",
        "Ana lives in Paris. Ana has a =dog=. Ana has a =cat=.",
    ),
    ("extractor", "instruct"): (
        '{"facts": [{"speaker": "Ana", "dia_id": "D3:1", "fact": "Ana lives in {Lodz}."},\n'
        ' {"speaker": "Bo", "dia_id": "D3:2", "fact": "Bo sold his \\"car\\" \\ud83d\\ude97."}]}',
        'Here they are:\n```json\n{"facts": [{"speaker": "Ana", "dia_id": ["D3:3"], "fact": "Ana has a dog."}]}\n```',
        '{"facts": []}',
    ),
    ("manager", "instruct"): (
        '{"operations": [{"operation": "UPDATE", "memory_id": 4, "content": "Ana lives in Lodz.", "dia_id": "D3:1"},\n'
        ' {"operation": "DELETE", "memory_id": "7"},'
        ' {"operation": "INSERT", "speaker": "Ana", "content": "Ana has Rex.", "dia_id": "D3:3"}]}',
        '{"operations": []}',
    ),
    ("single", "instruct"): (
        '{"operations": [{"operation": "UPDATE", "memory_id": 4, "content": "Ana lives in Lodz.", "dia_id": "D3:1"}]}',
        '{"operations": []}',
    ),
    ("answerer", "instruct"): (
        "The last move was to Lodz.\n<answer>Lodz</answer>",
        "**Answer:** Lodz",
        "<answer>no information</answer>",
        "<answer></answer>",
    ),
}

FRAGMENTS = (
    *("\ud800", "\udfff", "\u2028", "\x00", "é", "日本", "\N{DOG FACE}", "İ", "٣", "\\ud800", "\\u0000", "\\"),
    *(
        "{",
        "}",
        "[",
        "]",
        "{{{",
        "}}}",
        '"',
        '"}',
        "null",
        "true",
        "-1",
        "1e999",
        "NaN",
        "9" * 5000,
        "\n",
        "\r\n",
        "  ",
    ),
    *("[" * 5000, "{" * 5000, '{"a":' * 5000, '{"facts": ' * 40, '"facts": [', '"operations": null', '{"facts": 3}'),
    *(
        '"operations": {"operation": "NOOP"}',
        "<answer>",
        "</answer>",
        "Answer: x",
        "none",
        "```",
        "a NOOP\n",
        "zz INSERT\n",
        "b DELETE Ana has a dog.\n",
        "=",
        "= =",
    ),
    *(
        "3 Ana sings.\n",
        "4 x\n",
        ',{"memory_id": true}',
        ',{"memory_id": 99, "operation": "DELETE"}',
        "'",
        ":",
        ",",
        "<",
    ),
)


def _mutated(rng: random.Random, text: str) -> str:
    """`text` after one to four random changes."""
    for _ in range(rng.randint(1, 4)):
        at, to = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
        kind = rng.randrange(7)
        if kind == 0:
            text = text[:at] + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + rng.choice(FRAGMENTS) + text[at:]
        elif kind == 2 and to < len(text):
            text = text[:at] + text[to] + text[at + 1 : to] + text[at : at + 1] + text[to + 1 :]
        elif kind == 3:
            text = text[:at]
        elif kind == 4:
            text = text[:at] + text[to:]
        elif kind == 5:
            text = text[:to] + text[at:]
        else:
            text = text[:at] + rng.choice(FRAGMENTS) + text[to:]
        text = text[:40_000]
    return text


def _check_extraction(family: Family, text: str, truncated: bool) -> ParseOutcome:
    found = Extractor(family).parse(text, truncated, CONTEXT)
    for fact in found.facts:
        assert fact.speaker in CONTEXT.speakers
        assert fact.source in CONTEXT.turn_ids
        assert fact.text == " ".join(fact.text.split()) != ""
        fact.text.encode()
    assert len(set(found.facts)) == len(found.facts)
    return _checked(found.outcome, len(found.facts), found.dropped, truncated)


def _check_decision(family: Family, text: str, truncated: bool) -> ParseOutcome:
    found = Manager(family, Bm25Retriever()).parse(text, truncated, CONTEXT, FACTS, RELATED)
    return _check_operations(family, found, truncated)


def _check_single(family: Family, text: str, truncated: bool) -> ParseOutcome:
    found = SingleAgent(family, Bm25Retriever()).parse(text, truncated, CONTEXT, RELATED)
    return _check_operations(family, found, truncated)


def _check_operations(family: Family, found: Decision, truncated: bool) -> ParseOutcome:
    touched = [op.entry for op in found.ops if isinstance(op, Update | Delete)]
    assert len(set(touched)) == len(touched)
    assert set(touched) <= {4, 7, 9}
    for op in found.ops:
        assert isinstance(op, Insert | Update | Delete | Noop)
        if isinstance(op, Insert):
            assert op.speaker in CONTEXT.speakers
        if isinstance(op, Insert | Update):
            assert op.source in CONTEXT.turn_ids
            assert op.content.strip()
            op.content.encode()
    kept = len(found.ops) - (sum(isinstance(op, Noop) for op in found.ops) if family == "compact" else 0)
    return _checked(found.outcome, kept, found.dropped, truncated)


def _check_answer(family: Family, text: str, truncated: bool) -> ParseOutcome:
    found = Answerer(family, Bm25Retriever()).parse(text, truncated)
    found.text.encode()
    assert found.text == " ".join(found.text.split())
    assert bool(found.text) or found.outcome in (
        ParseOutcome.NO_ITEMS,
        ParseOutcome.UNPARSABLE,
        ParseOutcome.TRUNCATED,
    )
    return _checked(found.outcome, bool(found.text), found.dropped, truncated)


def _checked(outcome: ParseOutcome, kept: int, dropped: tuple[str, ...], truncated: bool) -> ParseOutcome:
    """The outcome, after checking that it is true to what was kept and dropped."""
    assert type(outcome) is ParseOutcome
    assert (outcome is ParseOutcome.TRUNCATED) == truncated
    if outcome in (ParseOutcome.NO_ITEMS, ParseOutcome.UNPARSABLE):
        assert kept == 0
    if outcome in (ParseOutcome.OK, ParseOutcome.EMPTY):
        assert not dropped
    if outcome in (ParseOutcome.NO_ITEMS, ParseOutcome.PARTIAL):
        assert dropped
    for reason in dropped:
        assert len(reason) < 200
    return outcome


CHECKS: dict[str, Callable[[Family, str, bool], ParseOutcome]] = {
    "extractor": _check_extraction,
    "manager": _check_decision,
    "single": _check_single,
    "answerer": _check_answer,
}


@pytest.mark.timeout(60)
def test_parsers_give_one_true_outcome_for_every_damaged_reply() -> None:
    rng = random.Random(20230507)
    seen: dict[tuple[str, Family], Counter[ParseOutcome]] = {key: Counter() for key in VALID}
    keys = sorted(VALID)
    for number in range(REPLIES):
        role, family = keys[number % len(keys)]
        text = _mutated(rng, rng.choice(VALID[role, family]))
        seen[role, family][CHECKS[role](family, text, rng.random() < 0.1)] += 1
    assert sum(sum(counts.values()) for counts in seen.values()) == REPLIES
    for (role, family), counts in seen.items():
        # A compact answer is its first line: any text is one, so the only form without an item is a blank reply.
        never = {ParseOutcome.NO_ITEMS} if (role, family) == ("answerer", "compact") else set[ParseOutcome]()
        assert set(counts) == set(ParseOutcome) - never, (role, family)


def test_an_undamaged_reply_of_every_role_and_family_is_read_in_full() -> None:
    for (role, family), replies in VALID.items():
        assert CHECKS[role](family, replies[0], False) is ParseOutcome.OK
