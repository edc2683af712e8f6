"""village: a seeded generator of multi-session conversations with facts, changes and questions.

`generate(seed, split, conversations, sessions)` is byte-identical for equal arguments, and the first k
sessions of a conversation do not depend on how many follow. Train, val and test share no name, no value and no
phrasing. `fairmem data generate` writes the result in LoCoMo's schema.
"""

from __future__ import annotations

from dataclasses import dataclass

from fairmem.data.dates import long_date
from fairmem.data.village.kinds import KINDS
from fairmem.data.village.lexicon import Lexicon, pseudo_lexicon, real_lexicon
from fairmem.data.village.oracle import (
    UNKNOWN,
    Decision,
    QuestionSpec,
    Statement,
    answer,
    decide,
    read,
    support,
)
from fairmem.data.village.questions import QuestionWriter
from fairmem.data.village.splits import SPLITS, Split
from fairmem.data.village.world import MAX_SESSIONS, Simulator
from fairmem.errors import ConfigError
from fairmem.seeds import python_rng
from fairmem.types import Conversation

__all__ = [
    "Decision",
    "KINDS",
    "Lexicon",
    "MAX_SESSIONS",
    "QuestionSpec",
    "QuestionWriter",
    "SPLITS",
    "Simulator",
    "Split",
    "Statement",
    "UNKNOWN",
    "World",
    "answer",
    "decide",
    "generate",
    "long_date",
    "pseudo_lexicon",
    "read",
    "real_lexicon",
    "simulate",
    "support",
]


@dataclass(frozen=True, slots=True)
class World:
    """A generated conversation with what only its generator knows.

    Attributes:
        specs: What each question asks for, by question id.
        hearsay: (turn id, canonical sentence) of what was said about people outside the conversation.
    """

    conversation: Conversation
    specs: dict[str, QuestionSpec]
    hearsay: tuple[tuple[str, str], ...] = ()


def simulate(
    seed: int,
    split: Split,
    index: int,
    sessions: int,
    difficulty: float = 0.5,
    pseudo_words: float = 0.0,
    spliced: float = 0.0,
) -> World:
    """Conversation number `index` of the stream (`seed`, `split`).

    Args:
        seed: Any integer; equal arguments give equal conversations.
        split: `train`, `val` or `test`: which words and phrasings may occur.
        index: Number of the conversation in its stream.
        sessions: 1 to 128.
        difficulty: From 0 (mostly new facts) to 1 (many changes, retractions, repetitions, distractors).
        pseudo_words: Share of fillers replaced by pseudo-words drawn for this conversation alone.
        spliced: Share of the pseudo-words that are pieces of real words put together; the rest are random syllables.

    Raises:
        ConfigError: an argument outside its range.
    """
    if split not in SPLITS:
        raise ConfigError(f"village split is {split!r}, expected one of {', '.join(SPLITS)}")
    if not 0.0 <= pseudo_words <= 1.0:
        raise ConfigError(f"village pseudo_words is {pseudo_words}, expected a share from 0 to 1")
    lexicon = real_lexicon(split)
    if pseudo_words:
        lexicon = pseudo_lexicon(python_rng(seed, "village", split, index, "words"), lexicon, pseudo_words, spliced)
    history = Simulator(python_rng(seed, "village", split, index, "story"), lexicon, split, difficulty).run(sessions)
    writer = QuestionWriter(python_rng(seed, "village", split, index, "questions"), split, history)
    questions, specs = writer.write()
    conversation = Conversation(
        id=f"village-{split}-{seed}-{index}",
        speakers=history.speakers,
        sessions=tuple(history.sessions),
        questions=tuple(questions),
        deltas=tuple(history.deltas),
    )
    return World(conversation, specs, tuple(history.hearsay))


def generate(
    seed: int, split: Split, conversations: int, sessions: int, difficulty: float = 0.5, start: int = 0
) -> list[Conversation]:
    """Conversations number `start` to `start + conversations - 1` of the stream (`seed`, `split`).

    Raises:
        ConfigError: as for `simulate`, or a negative number of conversations.
    """
    if conversations < 0:
        raise ConfigError(f"village conversations is {conversations}, expected 0 or more")
    return [simulate(seed, split, start + index, sessions, difficulty).conversation for index in range(conversations)]
