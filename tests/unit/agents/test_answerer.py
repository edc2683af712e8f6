from datetime import datetime

import pytest

from fairmem.agents import Answerer
from fairmem.memory import Bm25Retriever, DenseRetriever, Entry, HashedEmbedder, MemoryBank, VectorArena
from fairmem.policy import Message
from fairmem.trace import ParseOutcome

INSTRUCT = Answerer("instruct", Bm25Retriever())
COMPACT = Answerer("compact", Bm25Retriever())


def entry(id: int, speaker: str, content: str, made: datetime, changed: datetime) -> Entry:
    return Entry(id, speaker, content, 1, made, 2, changed, (f"D1:{id}",), "INSERT")


JANUARY, MAY = datetime(2023, 1, 2), datetime(2023, 5, 7)
LODZ = entry(1, "Ana", "Ana lives in Lodz.", JANUARY, MAY)
DOG = entry(2, "Bo", "Bo has a dog in Lodz.", JANUARY, JANUARY)
PARROT = entry(3, "Bo", "Bo has a parrot.", MAY, MAY)


def test_each_speaker_gets_his_own_share_of_entries() -> None:
    many = [entry(id, "Ana", f"Ana has been to Lodz {id} times.", MAY, MAY) for id in range(4, 9)]
    bank = MemoryBank.from_entries([LODZ, DOG, PARROT, *many])
    answerer = Answerer("compact", DenseRetriever(VectorArena(HashedEmbedder())), per_speaker=2)
    shown = answerer.shown(bank, "Where does Ana live, in Lodz?", ("Ana", "Bo"))
    assert [e.speaker for e in shown].count("Ana") == 2
    assert [e for e in shown if e.speaker == "Bo"] == [DOG, PARROT]


def test_the_shown_entries_are_ordered_by_update_and_then_id() -> None:
    bank = MemoryBank.from_entries([LODZ, DOG, PARROT])
    shown = COMPACT.shown(bank, "Who lives in Lodz and has a parrot?", ("Ana", "Bo", "Ana"))
    assert [e.id for e in shown] == [2, 1, 3]  # 2 was changed in January, 1 and 3 in May


def test_entries_of_others_and_entries_below_the_threshold_are_not_shown() -> None:
    bank = MemoryBank.from_entries([LODZ, DOG, PARROT])
    assert COMPACT.shown(bank, "Lodz", ("Eve",)) == ()
    strict = Answerer("compact", Bm25Retriever(), min_score=0.01)
    assert strict.shown(bank, "Lodz", ("Ana", "Bo")) == (DOG, LODZ)  # the parrot shares no word


def test_the_compact_prompt_shows_dates_contents_and_question() -> None:
    assert COMPACT.prompt("Where does Ana live?", [DOG, LODZ], ("Ana", "Bo")) == (
        Message(
            "user",
            "<answer>\nBo has a dog in Lodz. | 2 January 2023\nAna lives in Lodz. | 2 January 2023 > 7 May 2023\n"
            "<question> Where does Ana live?\n<out>\n",
        ),
    )


def test_the_instruct_prompt_groups_entries_by_speaker_with_both_dates() -> None:
    (message,) = INSTRUCT.prompt("Where does\nAna live?", [DOG, LODZ, PARROT], ("Ana", "Bo", "Eve"))
    assert message.role == "user"
    assert message.content.endswith(
        "Now the real task.\n"
        "Memories about Ana:\n- [2 January 2023, changed 7 May 2023] Ana lives in Lodz.\n"
        "Memories about Bo:\n- [2 January 2023] Bo has a dog in Lodz.\n- [7 May 2023] Bo has a parrot.\n"
        "Memories about Eve:\n(none)\n"
        "Question: Where does Ana live?\n"
    )


@pytest.mark.parametrize(
    ("text", "answer", "outcome"),
    [
        ("She moved.\n<answer>Lodz</answer>", "Lodz", ParseOutcome.OK),
        ("<ANSWER>\n Lodz,\nPoland </ANSWER> done", "Lodz, Poland", ParseOutcome.OK),
        ("<answer>Paris</answer> no, <answer>Lodz</answer>", "Lodz", ParseOutcome.OK),
        ("<answer>Lodz</answer> <answer> </answer>", "Lodz", ParseOutcome.OK),
        ("<answer> Lodz</answer></answer>", "Lodz", ParseOutcome.OK),
        ("<answer>No information.</answer>", "No information.", ParseOutcome.EMPTY),
        ("<answer>Lodz", "Lodz", ParseOutcome.PARTIAL),
        ("She moved.\n**Answer:** Lodz", "Lodz", ParseOutcome.PARTIAL),
        ("**Answer: Lodz**\n", "Lodz", ParseOutcome.PARTIAL),
        ("Answer: Paris?\nNo.\nanswer: Lodz\nBye.", "Lodz", ParseOutcome.PARTIAL),
        ("## Answer:  Lodz", "Lodz", ParseOutcome.PARTIAL),
        ("<answer> </answer>", "", ParseOutcome.NO_ITEMS),
        ("She lives in Lodz.</answer>", "", ParseOutcome.NO_ITEMS),
        ("I think the answer is Lodz.", "", ParseOutcome.UNPARSABLE),
        ("The final answer: Lodz", "", ParseOutcome.UNPARSABLE),
        ("", "", ParseOutcome.UNPARSABLE),
    ],
)
def test_instruct_answers_are_found_in_tags_or_after_a_label(text: str, answer: str, outcome: ParseOutcome) -> None:
    found = INSTRUCT.parse(text, False)
    assert (found.text, found.outcome) == (answer, outcome)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>Lodz</answer> because", "Lodz"),
        ("<answer>Lod", ""),
        ("Answer: Lodz\nbecause", "Lodz"),
        ("Answer: Lod", ""),
        ("She moved", ""),
    ],
)
def test_an_answer_that_may_be_cut_is_not_used(text: str, answer: str) -> None:
    found = INSTRUCT.parse(text, True)
    assert (found.text, found.outcome) == (answer, ParseOutcome.TRUNCATED)


def test_the_compact_answer_is_what_the_first_line_marks() -> None:
    assert COMPACT.parse("Ana lives in =Lodz=.\n", False).text == "Lodz"
    assert COMPACT.parse("Ana has a =cat=.\nAna has a =dog=.", False).text == "cat"
    assert COMPACT.parse("Lodz\n", False).text == "Lodz"
    assert COMPACT.parse("Lodz\nParis", False).outcome is ParseOutcome.PARTIAL
    assert COMPACT.parse("", False) == COMPACT.parse(" \n", False)
    assert COMPACT.parse("", False).outcome is ParseOutcome.UNPARSABLE
