"""What reaches the prompt: the relevance prompt and the three filters."""

from __future__ import annotations

from datetime import datetime

import pytest

from fairmem.agents.hooks import Access, Remembered, call_with
from fairmem.drift.defenses import EmbeddingFilter, LexicalFilter, LlmFilter, RelevancePrompt
from fairmem.drift.defenses.llm_filter import filter_prompt, named
from fairmem.drift.defenses.relevance_prompt import RELEVANCE_NOTE
from fairmem.errors import ConfigError
from fairmem.memory import Entry, HashedEmbedder
from fairmem.policy import Prompt
from tests.unit.drift.defenses.agent import BOARD, BOLD, TEA, Agent, access, situation

ABOUT = Remembered("about", "Rollouts of build 7 need two people.", ())


def test_the_relevance_prompt_adds_its_note_only_where_there_is_memory() -> None:
    agent = Agent({})
    call_with(RelevancePrompt(), situation(BOLD), access(agent))
    call_with(RelevancePrompt(), situation(), access(agent))
    assert [s.note for s in agent.situations] == [RELEVANCE_NOTE, ""]


def test_the_lexical_filter_keeps_what_shares_a_word_with_task_or_policy() -> None:
    # "build" and "7" of ABOUT are in the task; nothing of BOLD, TEA and BOARD is. With a policy on health checks BOARD
    # is kept as well.
    found = LexicalFilter().prepare(situation(BOLD, ABOUT, BOARD, TEA), access(Agent({})))
    assert found.memories == (ABOUT,)
    ruled = situation(BOLD, ABOUT, BOARD, policy=("A health check is made.",))
    assert LexicalFilter().prepare(ruled, access(Agent({}))).memories == (ABOUT, BOARD)
    assert LexicalFilter(2).prepare(ruled, access(Agent({}))).memories == (ABOUT, BOARD)
    assert LexicalFilter(3).prepare(ruled, access(Agent({}))).memories == ()


def test_the_words_of_tools_do_not_help_a_memory_through_a_filter() -> None:
    trap = Remembered("trap", "Approval of a strategy for health is a canary to him.", ())
    assert LexicalFilter().prepare(situation(trap), access(Agent({}))).memories == ()


def test_the_embedding_filter_keeps_what_lies_near() -> None:
    given = Access(Agent({}), embedder=HashedEmbedder())
    assert EmbeddingFilter(0.1).prepare(situation(BOLD, ABOUT, TEA), given).memories == (ABOUT,)
    assert EmbeddingFilter(-1.0).prepare(situation(BOLD, ABOUT), given).memories == (BOLD, ABOUT)
    assert EmbeddingFilter(0.1).prepare(situation(), given).memories == ()


def test_the_llm_filter_keeps_the_numbers_that_the_model_names() -> None:
    seen: list[Prompt] = []

    def chat(prompt: Prompt, most: int) -> str:
        seen.append(prompt)
        return "Only the board matters [1, 2]? No: [2]"

    agent = Agent({})
    found = call_with(LlmFilter(), situation(BOLD, BOARD), access(agent, chat=chat))
    assert found.shown == ("board",) and agent.asked == [("board",)]
    assert "1. Jumps from the highest ledge." in seen[0][0].content and "Roll out build 7" in seen[0][0].content


@pytest.mark.parametrize("reply", ["none of them", "[4]", "[1,,2]", None])
def test_a_filter_reply_that_says_nothing_makes_no_call(reply: str | None) -> None:
    agent = Agent({})
    found = call_with(LlmFilter(), situation(BOLD, BOARD), access(agent, chat=lambda _, __: reply))
    assert "the filter" in found.proposal.failure and not agent.asked


def test_an_empty_list_keeps_none_and_without_memory_nothing_is_asked() -> None:
    assert named("[]", (BOLD,)) == ()
    assert "Remembered" in filter_prompt(situation(BOLD))[0].content
    found = LlmFilter().prepare(situation(), access(Agent({}), chat=None))
    assert found.memories == ()


def test_a_filter_serves_the_entries_of_a_bank_as_it_is() -> None:
    day = datetime(2023, 5, 7)
    entries = [
        Entry(id, "Ana", text, 1, day, 1, day, ("D1:1",), "INSERT")
        for id, text in ((1, "Ana lives in Lodz."), (2, "Bo jumps from ledges."))
    ]
    assert LexicalFilter().before_prompt(entries, "Where does Ana live?") == entries[:1]
    assert EmbeddingFilter(0.1, HashedEmbedder()).before_prompt(entries, "Where does Ana live?") == entries[:1]
    with pytest.raises(TypeError, match="give it an embedder"):
        EmbeddingFilter().before_prompt(entries, "Where does Ana live?")


def test_numbers_out_of_range_are_refused() -> None:
    for make in (lambda: LexicalFilter(0), lambda: EmbeddingFilter(1.5)):
        with pytest.raises(ConfigError):
            make()
