"""What demonstrations are made of: how their demonstrator errs, in what mixture, and what one is."""

from __future__ import annotations

from dataclasses import dataclass, field

from fairmem.trace import Role


@dataclass(frozen=True, slots=True)
class Imperfection:
    """How often a demonstrator errs, as probabilities.

    Attributes:
        miss: Extractor leaves a fact out, by kind; `default_miss` for kinds not listed.
        hearsay: Extractor notes something about a person outside the conversation.
        stale: Manager inserts beside the old entry instead of updating it.
        duplicate: Manager inserts what memory already says.
        keep_gone: Manager leaves an entry that was taken back.
    """

    miss: dict[str, float] = field(
        default_factory=lambda: {"food": 0.75, "sport": 0.75, "item": 0.7, "genre": 0.7, "colour": 0.6, "trip": 0.6}
    )
    default_miss: float = 0.2
    hearsay: float = 0.3
    stale: float = 0.5
    duplicate: float = 0.5
    keep_gone: float = 0.6


@dataclass(frozen=True, slots=True)
class Mixture:
    """What a stretch of training is made of.

    Attributes:
        questions: Questions asked of one memory.
        quizzes: Share of the sessions that end with questions.
        singles: Share of the chunks that a single agent takes, in place of extractor and manager.
        writers: Share of the chunks that the writer of a structured memory takes.
        rewording: Share of turns and questions put into slightly other words.
        extractions: Share of the extractor's demonstrations that is kept.
        drills: Decisions about other facts demonstrated beside each of the manager's, on the same entries.
        careful: Whether the manager's drills are free of its imperfections.
        spliced: Share of the invented fillers that are pieces of real words put together.
    """

    questions: int = 6
    quizzes: float = 0.5
    singles: float = 0.0
    writers: float = 0.0
    rewording: float = 0.0
    extractions: float = 1.0
    drills: int = 0
    careful: bool = False
    spliced: float = 0.0


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A prompt with the replies to imitate. `prefix` is shared by all `branches` of (rest of prompt, reply)."""

    role: Role
    prefix: str
    branches: tuple[tuple[str, str], ...]
