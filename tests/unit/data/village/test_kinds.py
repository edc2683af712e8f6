"""How facts are said and asked: every split can say and ask everything, and none uses a phrasing of another."""

import re
from itertools import permutations

import pytest

from fairmem.data.village import KINDS, SPLITS, Split, simulate
from fairmem.data.village.kinds import ASKS_PAIR, PAIRED, article
from fairmem.data.village.splits import phrasings
from fairmem.data.village.talk import CLOSERS, OPENERS, OTHERS_SAY, RELATIONS, SMALL_TALK

ASKED = ("asks", "asks_use", "asks_when")


def spoken(split: Split) -> list[str]:
    """Every phrasing that can become part of a turn."""
    lines = [*(k.says for k in KINDS.values()), *(k.says_gone for k in KINDS.values()), *OTHERS_SAY.values()]
    return [text for part in (*lines, OPENERS, CLOSERS, SMALL_TALK) for text in phrasings(part, split)]


def asked(split: Split) -> list[str]:
    """Every phrasing of a question."""
    lines = [getattr(kind, name) for kind in KINDS.values() for name in ASKED]
    return [text for part in (*lines, ASKS_PAIR) for text in phrasings(part, split)]


def pattern(template: str) -> re.Pattern[str]:
    """Matches the sentences that the phrasing gives."""
    text = re.escape(template)
    value = r"[\w'&-]+( [\w'&-]+){0,3}?"
    fillers = {"v": value, "a": "an?", "n": r"\w+", "r": r"My [\w -]+", "x": r"[\w ]+?", "y": r"[\w ]+?"}
    for name, filler in fillers.items():
        text = text.replace(rf"\{{{name}\}}", filler)
    return re.compile(text)


@pytest.mark.parametrize(("one", "other"), list(permutations(SPLITS, 2)))
def test_splits_share_no_phrasing(one: Split, other: Split) -> None:
    mine, theirs = ({*spoken(s), *asked(s), *phrasings(RELATIONS, s)} for s in (one, other))
    assert len(mine) > 500 and not mine & theirs


@pytest.mark.parametrize("split", ["val", "test"])
def test_every_sentence_of_a_held_out_conversation_is_a_phrasing_of_its_own_split(split: Split) -> None:
    own = [pattern(t) for t in (*spoken(split), *asked(split))]
    seen: set[str] = set()
    for index in range(6):
        conversation = simulate(8, split, index, 8, 0.8).conversation
        seen |= {s for x in conversation.sessions for t in x.turns for s in re.split(r"(?<=[.!?]) ", t.text)}
        seen |= {question.text for question in conversation.questions}
    assert len(seen) > 300
    for sentence in seen:
        assert any(p.fullmatch(sentence) for p in own) or any(sentence in text for text in spoken(split)), sentence


def test_phrasings_have_known_holes_only_and_end_with_a_mark() -> None:
    for split in SPLITS:
        for text in spoken(split) + asked(split):
            assert text[-1] in ".!?", text
            assert set(re.findall(r"\{(.*?)\}", text)) <= {"n", "v", "a", "r", "x", "y"}, text
            assert text.count("{v}") <= 1


@pytest.mark.parametrize("name", list(KINDS))
@pytest.mark.parametrize("split", SPLITS)
def test_every_kind_can_be_said_and_asked_in_several_ways_in_every_split(name: str, split: Split) -> None:
    kind = KINDS[name]
    assert len(phrasings(kind.says, split)) >= 7 and all("{v}" in text for text in phrasings(kind.says, split))
    assert len(phrasings(kind.asks, split)) >= 5 and len(phrasings(kind.asks_use, split)) >= 7
    assert bool(kind.says_gone) == bool(kind.gone)
    if kind.gone:
        assert len(phrasings(kind.says_gone, split)) >= 10
    if kind.asks_when:
        assert len(phrasings(kind.asks_when, split)) >= 3


@pytest.mark.parametrize("split", SPLITS)
def test_pairs_can_be_asked_in_every_split(split: Split) -> None:
    assert len(phrasings(ASKS_PAIR, split)) >= 5
    assert len(PAIRED) >= 3 and not any(kind.multiple for kind in PAIRED)


def test_a_lost_fact_is_of_a_kind_of_which_one_can_hold_several() -> None:
    # A single value is replaced, never lost: what is asked about it always has an answer.
    assert all(kind.multiple for kind in KINDS.values() if kind.gone)


def test_the_article_follows_the_first_letter() -> None:
    assert [article(word) for word in ("cat", "owl", "Ox")] == ["a", "an", "an"]
