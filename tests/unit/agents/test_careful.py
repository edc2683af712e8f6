"""The manager without a model: what it decides, and that it speaks the compact format."""

from __future__ import annotations

from datetime import datetime

from fairmem.agents import render_compact_extract, render_compact_manage
from fairmem.agents.careful import CarefulManager, careful_decision
from fairmem.data.village import KINDS
from fairmem.policy import Message, Sample, SampleRequest
from fairmem.trace import CallFailure, FailureKind

TIME = datetime(2023, 5, 7)
ONE = next(kind for kind in KINDS.values() if not kind.multiple).canonical
"""A sentence of which one holds at a time, as where someone lives."""
MANY = next(kind for kind in KINDS.values() if kind.multiple and kind.gone)


def says(value: str, name: str = "Ana", sentence: str = ONE) -> str:
    return sentence.replace("{n}", name).replace("{v}", value).replace("{a}", "a")


def test_a_new_fact_is_inserted_a_changed_one_updates_its_entry_and_a_known_one_changes_nothing() -> None:
    old, new, other = says("Lodz"), says("Paris"), says("Rome", "Bo")
    assert careful_decision([new], []) == "a INSERT"
    assert careful_decision([new, old, other], [old]) == f"a UPDATE {old}\nb NOOP\nc INSERT"


def test_a_fact_that_is_taken_back_deletes_its_entry() -> None:
    held, gone = (says("chess", "Ana", sentence) for sentence in (MANY.canonical, str(MANY.gone)))
    assert careful_decision([gone], [held]) == f"a DELETE {held}"
    assert careful_decision([gone], []) == "a NOOP"


def test_an_entry_is_touched_once() -> None:
    # The second change finds its entry taken, so it is kept beside it.
    old = says("Lodz")
    assert careful_decision([says("Paris"), says("Rome")], [old]) == f"a UPDATE {old}\nb INSERT"


def test_it_answers_the_prompt_that_a_small_model_is_given() -> None:
    prompt = render_compact_manage(TIME, [says("Lodz")], [says("Paris"), "Bo hums."])
    (reply,) = CarefulManager().sample([SampleRequest((Message("user", prompt),), 1)])
    assert isinstance(reply, Sample)
    assert (reply.text, reply.ids, reply.logprobs) == (f"a UPDATE {says('Lodz')}\nb INSERT", (), ())


def test_another_roles_prompt_is_a_typed_failure() -> None:
    prompt = render_compact_extract(TIME, [])
    (reply,) = CarefulManager().sample([SampleRequest((Message("user", prompt),), 1)])
    assert isinstance(reply, CallFailure) and reply.kind is FailureKind.REFUSED
