"""What each memory shows the answerer, on one conversation small enough to see through."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from fairmem.agents import Answerer
from fairmem.cli.evaluate import MEMORIES, PEERS
from fairmem.config import Recipe
from fairmem.episodes import build_runner
from fairmem.errors import ConfigError
from fairmem.eval.backends import BACKENDS, BackendSetup, build_backend, turn_bank
from fairmem.eval.calls import RecordedCalls
from fairmem.eval.pipeline import Asking, run_pipeline
from fairmem.eval.result import AnswerRecord, EvalHeader
from fairmem.eval.summary_memory import SummaryMemory
from fairmem.memory import Bm25Retriever, build_embedder, build_retriever
from fairmem.metrics import ANSWER_SCORES
from fairmem.policy import Prompt, ScriptedPolicy
from fairmem.types import Conversation, Question, Session, Turn

SAID = (
    ("D1:1", "Ana", "I moved to Lodz."),
    ("D1:2", "Bo", "I like tea."),
    ("D2:1", "Ana", "My dog is called Rex."),
    ("D2:2", "Bo", "It rains today."),
)
TALK = Conversation(
    "c",
    ("Ana", "Bo"),
    tuple(
        Session(i, datetime(2024, 1, i), tuple(Turn(*turn) for turn in SAID if turn[0].startswith(f"D{i}")))
        for i in (1, 2)
    ),
    (Question("q", "Where did Ana move to, Lodz?", "Lodz", "single_hop", ("D1:1",), 1),),
)


def test_the_names_offered_are_those_there_are() -> None:
    assert tuple(BACKENDS) == (*MEMORIES, *PEERS)


def setup(policy: ScriptedPolicy, per_speaker: int = 1) -> tuple[BackendSetup, Answerer, RecordedCalls]:
    calls = RecordedCalls(policy)
    base = Recipe(name="eval")
    recipe = base.model_copy(update={"agents": base.agents.model_copy(update={"shown_per_speaker": per_speaker})})
    runner = build_runner(recipe, {"extractor": calls, "manager": calls, "answerer": calls})
    answerer = runner.agents.answerer
    bm25 = replace(answerer, retriever=Bm25Retriever(), min_score=0.0)
    dense = replace(answerer, retriever=build_retriever("dense", build_embedder("hashed")))
    return BackendSetup(runner, calls, bm25, dense, per_speaker), answerer, calls


def asked(memory: str, budget: int = 0, per_speaker: int = 1, policy: ScriptedPolicy | None = None) -> AnswerRecord:
    made, answerer, calls = setup(policy or ScriptedPolicy(), per_speaker)
    header = EvalHeader(
        dataset="x", model="m", answerer="a", signature="s", categories=("single_hop",), temperature=0.0, seed=0,
        shown_per_speaker=per_speaker, memory=memory, budget=budget,
    )  # fmt: skip
    asking = Asking(calls, answerer, ANSWER_SCORES["bag"], lambda text: len(text.split()))
    result = run_pipeline(build_backend(memory, made), [TALK], header, asking)
    return result.answers[0]


@pytest.mark.parametrize(
    ("memory", "shown"),
    [
        ("none", ()),
        ("full", ("D2:2", "D2:1", "D1:2", "D1:1")),
        ("last", ("D2:2", "D2:1")),  # one per speaker
        ("bm25", ("D1:1", "D1:2")),  # the nearest of each speaker; Bo's share no word, so the first of his
        ("oracle", ("D1:1",)),
    ],
)
def test_each_memory_finds_its_own_turns_best_first(memory: str, shown: tuple[str, ...]) -> None:
    answer = asked(memory)
    assert tuple(source for (source,) in answer.sources) == shown


def test_dense_search_finds_the_turn_that_shares_words() -> None:
    answer = asked("dense")
    assert answer.sources[0] == ("D1:1",)
    assert (answer.rank, answer.shown) == (1, 2)


def test_evidence_is_followed_in_every_memory_of_turns() -> None:
    found = {name: asked(name) for name in ("none", "full", "last", "oracle")}
    assert {name: (a.lost, a.unshown, a.reached, a.rank) for name, a in found.items()} == {
        "none": (1, 0, 0, None),
        "full": (0, 0, 1, 4),  # newest first, so the oldest of four comes last
        "last": (0, 1, 0, None),
        "oracle": (0, 0, 1, 1),
    }


def test_a_budget_takes_the_best_that_fit_and_says_what_was_cut() -> None:
    # "Bo: It rains today." is 4 words, "Ana: My dog is called Rex." 6: together 10
    answer = asked("full", budget=10)
    assert (answer.shown, answer.cut) == (2, 2)
    assert asked("full", budget=9).shown == 1
    assert asked("full", budget=3).shown == 0


def test_turns_are_entries_that_name_their_speaker_and_their_turn() -> None:
    entry = turn_bank(TALK).entries[2]
    assert (entry.content, entry.speaker, entry.sources) == ("Ana: My dog is called Rex.", "Ana", ("D2:1",))
    assert entry.created_time == datetime(2024, 1, 2)


def summarise(prompt: Prompt, seed: int) -> str:
    """Keeps the old lines and adds one per new turn."""
    text = prompt[-1].content
    if "You keep a summary" not in text:
        return "<answer>Lodz</answer>"
    old = text.partition("Summary so far:\n")[2].partition("\n\n")[0]
    new = text.partition("New conversation of ")[2].partition("\n")[2].partition("\n\n")[0]
    lines = [line for line in old.splitlines() if line.startswith("- ")]
    return "Here it is:\n" + "\n".join([*lines, *(f"- {line}" for line in new.splitlines())])


def test_a_summary_is_rewritten_after_every_session_and_names_no_turns() -> None:
    answer = asked("summary", policy=ScriptedPolicy(summarise, family="instruct"))
    assert answer.shown_texts == (
        "Ana: I moved to Lodz.",
        "Bo: I like tea.",
        "Ana: My dog is called Rex.",
        "Bo: It rains today.",
    )
    assert (answer.lost, answer.unshown, answer.reached, answer.ranked) == (0, 0, 0, False)
    assert (answer.answer, answer.score) == ("Lodz", 1.0)


def test_a_summary_needs_a_model_that_follows_instructions() -> None:
    with pytest.raises(ConfigError, match="memory 'summary' needs a model that follows instructions"):
        SummaryMemory(ScriptedPolicy())


def test_an_unknown_memory_is_named() -> None:
    with pytest.raises(ConfigError, match="memory 'mem9' is unknown; expected some of none, full"):
        build_backend("mem9", setup(ScriptedPolicy())[0])


def test_the_growth_of_a_memory_is_followed_session_by_session() -> None:
    made, _, _ = setup(ScriptedPolicy())
    assert build_backend("full", made).build([TALK])[0].growth == (2, 4)
    built = build_backend("ours", made).build([TALK])[0]
    assert built.bank is not None
    assert len(built.growth) == 2 and built.growth[-1] == len(built.bank)
