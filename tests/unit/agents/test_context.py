from datetime import datetime

from fairmem.agents import TurnContext
from fairmem.agents.context import by_update
from fairmem.memory import Entry
from fairmem.types import Chunk, Conversation, Session, Turn


def test_the_context_of_a_chunk_names_all_that_an_operation_may_refer_to() -> None:
    day = datetime(2023, 5, 7)
    turns = (Turn("D3:1", "Ana", "Hi"), Turn("D3:2", "Bo", "Hi"), Turn("D3:3", "Ana", "Bye"))
    conversation = Conversation("c1", ("Ana", "Bo"), (Session(3, day, turns),))
    context = TurnContext.from_chunk(conversation, Chunk(3, 1, day, turns[1:]))
    assert (context.conversation, context.session, context.chunk, context.time) == ("c1", 3, 1, day)
    assert context.turn_ids == {"D3:2", "D3:3"}
    allowed = context.op_context()
    assert (allowed.session, allowed.time, allowed.speakers) == (3, day, ("Ana", "Bo"))
    assert allowed.turn_ids == {"D3:2", "D3:3"}


def test_entries_are_shown_by_time_of_update_then_by_id() -> None:
    def entry(id: int, updated_day: int) -> Entry:
        return Entry(id, "Ana", f"fact {id}", 1, datetime(2023, 1, 1), 2, datetime(2023, 1, updated_day), (), "INSERT")

    shown = by_update([entry(5, 2), entry(1, 9), entry(4, 2), entry(3, 8)])
    assert [e.id for e in shown] == [4, 5, 3, 1]
