"""The village in the patterns of Mem-alpha's data (arXiv 2509.25911), so that its recipe trains without any file.

==========  ====================================  ===========================================================
pattern     stands for                            what it is
==========  ====================================  ===========================================================
reading     SQuAD                                 few changes, one speaker after the other; one-fact questions
two_hops    HotpotQA                              questions that need two facts of one person
dialogue    PerLTQA, LongMemEval                  the village as it is, changes and dates among its questions
labels      NLU, TREC, PubMed-RCT                 many people are each given one of four labels, some another later
keywords    BookSum                               several facts at once, scored by the share that is named
==========  ====================================  ===========================================================

A label is a favourite colour, so that a small model that knows the village's phrases can take part: what is learned is
who has which label, not what makes an unseen example have it. `Question.kind` says which score fits (`label`,
`keywords`, `village`). Everything else (splits, determinism, gold deltas) is the village's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from fairmem.data.village import MAX_SESSIONS, simulate
from fairmem.data.village.kinds import COLOUR, article
from fairmem.data.village.lexicon import real_lexicon
from fairmem.data.village.splits import Split, phrasings
from fairmem.errors import ConfigError
from fairmem.seeds import python_rng
from fairmem.types import Conversation, Delta, Question, Session, Turn

_PEOPLE, _LABELS = 8, 4


def generate_patterns(
    seed: int,
    split: Split,
    conversations: int,
    sessions: int,
    difficulty: float = 0.5,
    start: int = 0,
    patterns: Sequence[str] = (),
) -> list[Conversation]:
    """Conversations number `start` on of the stream (`seed`, `split`), the patterns (all, if none is named) in turn.

    Raises:
        ConfigError: an unknown pattern, a negative number, or an argument outside its range.
    """
    names = tuple(patterns) or tuple(PATTERNS)
    unknown = [name for name in names if name not in PATTERNS]
    if unknown or conversations < 0:
        raise ConfigError(
            f"village pattern '{unknown[0]}' is unknown; expected some of {', '.join(PATTERNS)}"
            if unknown
            else f"village conversations is {conversations}, expected 0 or more"
        )
    found: list[Conversation] = []
    for number in range(start, start + conversations):
        pattern = names[number % len(names)]
        talk = PATTERNS[pattern](seed, split, number, sessions, difficulty)
        found.append(replace(talk, id=f"village-{pattern}-{split}-{seed}-{number}"))
    return found


def _asked(talk: Conversation, keep: Callable[[Question], bool], kind: str = "village") -> Conversation:
    return replace(talk, questions=tuple(replace(q, kind=kind) for q in talk.questions if keep(q)))


def _reading(seed: int, split: Split, number: int, sessions: int, difficulty: float) -> Conversation:
    talk = simulate(seed, split, number, sessions, difficulty * 0.2).conversation
    passages = tuple(
        replace(session, turns=tuple(sorted(session.turns, key=lambda turn: talk.speakers.index(turn.speaker))))
        for session in talk.sessions
    )
    return _asked(replace(talk, sessions=passages), lambda q: q.category == "single_hop")


def _two_hops(seed: int, split: Split, number: int, sessions: int, difficulty: float) -> Conversation:
    return _asked(simulate(seed, split, number, sessions, difficulty).conversation, lambda q: q.category == "multi_hop")


def _dialogue(seed: int, split: Split, number: int, sessions: int, difficulty: float) -> Conversation:
    return _asked(simulate(seed, split, number, sessions, difficulty).conversation, lambda q: True)


def _keywords(seed: int, split: Split, number: int, sessions: int, difficulty: float) -> Conversation:
    talk = simulate(seed, split, number, sessions, difficulty).conversation
    return _asked(talk, lambda q: ", " in q.answer, "keywords")


def _labels(seed: int, split: Split, number: int, sessions: int, difficulty: float) -> Conversation:
    if not 1 <= sessions <= MAX_SESSIONS:
        raise ConfigError(f"village sessions is {sessions}, expected 1 to {MAX_SESSIONS}")
    rng, lexicon = python_rng(seed, "village labels", split, number), real_lexicon(split)
    people = rng.sample(lexicon.names, min(_PEOPLE, len(lexicon.names)))
    labels = rng.sample(lexicon.values["colour"], _LABELS)
    says, asks = phrasings(COLOUR.says, split), phrasings(COLOUR.asks, split)
    held: dict[str, tuple[str, str, int]] = {}  # person -> (label, turn, session) now
    ended: list[tuple[str, str, str, int, int | None]] = []  # (person, label, turn, from session, until session)
    told: list[Session] = []
    deltas: list[Delta] = []
    time = datetime(2021, 1, 1, 10) + timedelta(days=rng.randrange(900))
    for session in range(1, sessions + 1):
        turns: list[Turn] = []
        new = [person for person in people if person not in held][:3]
        again = [person for person in held if rng.random() < 0.25 * difficulty]
        for person in (*new, *again):
            known = held.get(person)
            label = rng.choice([each for each in labels if known is None or each != known[0]])
            turn = Turn(
                f"D{session}:{len(turns) + 1}", person, rng.choice(says).format(v=label, a=article(label))
            )  # fmt: skip
            turns.append(turn)
            if known is not None:
                ended.append((person, *known, session - 1))
            held[person] = (label, turn.id, session)
            sentence = COLOUR.canonical.format(n=person, v=label)
            before = COLOUR.canonical.format(n=person, v=known[0]) if known else None
            deltas.append(Delta(session, turn.id, "change" if known else "new", person, sentence, before))
        if turns:
            told.append(Session(session, time, tuple(turns)))
        else:
            told.append(Session(session, time, (Turn(f"D{session}:1", people[0], "Nothing new today."),)))
        time += timedelta(days=rng.randrange(3, 21))
    spans = [*ended, *((person, *now, None) for person, now in held.items())]
    seen: set[str] = set()
    questions: list[Question] = []
    for at, (person, label, turn, first, until) in enumerate(sorted(spans, key=lambda span: span[3]), start=1):
        category = "knowledge_update" if person in seen else "single_hop"
        seen.add(person)
        text = rng.choice(asks).format(n=person)
        questions.append(Question(f"q{at}", text, label, category, (turn,), first, until, kind="label"))
    return Conversation("", tuple(people), tuple(told), tuple(questions), tuple(deltas))


PATTERNS: dict[str, Callable[[int, Split, int, int, float], Conversation]] = {
    "reading": _reading,
    "two_hops": _two_hops,
    "dialogue": _dialogue,
    "labels": _labels,
    "keywords": _keywords,
}
"""Pattern -> (seed, split, number, sessions, difficulty) -> conversation."""
