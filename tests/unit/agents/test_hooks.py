from collections.abc import Sequence
from datetime import datetime

from fairmem.agents import Answerer, Defense
from fairmem.memory import Bm25Retriever, Entry, MemoryBank


class OnlyNamed:
    """Shows only entries about someone the task names."""

    def before_prompt(self, entries: Sequence[Entry], task: str) -> Sequence[Entry]:
        return [entry for entry in entries if entry.speaker in task]


def test_a_defense_stands_between_the_entries_found_and_the_prompt() -> None:
    day = datetime(2023, 5, 7)
    bank = MemoryBank.from_entries(
        Entry(id, name, f"{name} lives in Lodz.", 1, day, 1, day, ("D1:1",), "INSERT")
        for id, name in ((1, "Ana"), (2, "Bo"))
    )
    defense: Defense = OnlyNamed()
    answerer, question = Answerer("compact", Bm25Retriever()), "Where does Ana live?"
    shown = defense.before_prompt(answerer.shown(bank, question, ("Ana", "Bo")), question)
    (message,) = answerer.prompt(question, shown, ("Ana", "Bo"))
    assert message.content == "<answer>\nAna lives in Lodz. | 7 May 2023\n<question> Where does Ana live?\n<out>\n"
