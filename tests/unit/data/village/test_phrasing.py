"""The wording of the three splits: disjoint as templates and in what is generated from them."""

import re
from collections import Counter
from itertools import permutations

import pytest

from fairmem.data.village import KINDS, SPLITS, Split, simulate
from fairmem.data.village.phrasing import CLOSERS, OPENERS, OTHERS_SAY, RELATIONS, SMALL_TALK, TWO_HOP, article


def spoken(split: Split) -> list[str]:
    """Every template that can become part of a turn."""
    said = [text for kind in KINDS.values() for _, text in kind.says[split]]
    gone = [text for kind in KINDS.values() for text in kind.says_gone[split]]
    others = [text for texts in OTHERS_SAY.values() for text in texts[split]]
    return [*said, *gone, *others, *OPENERS[split], *CLOSERS[split], *SMALL_TALK[split]]


def asked(split: Split) -> list[str]:
    """Every template of a question."""
    of_kinds = [
        text
        for kind in KINDS.values()
        for texts in (kind.asks, kind.asks_when, kind.asks_whether)
        for text in texts[split]
    ]
    return of_kinds + [text for texts in TWO_HOP.values() for text in texts[split]]


def bare(template: str) -> str:
    """Without case, punctuation and the article: what differs in nothing else is one phrase."""
    return " ".join(re.findall(r"\{[nvrod]\}|[a-z']+", template.lower().replace("{a}", "")))


def pattern(template: str) -> re.Pattern[str]:
    """Matches the sentences that the template gives."""
    text = re.escape(template)
    fillers = {"v": r"[\w'&-]+( [\w'&-]+){0,3}?", "a": "an?", "n": r"\w+", "r": r"My \w+ \w+"}
    for name, filler in fillers.items():
        text = text.replace(rf"\{{{name}\}}", filler)
    return re.compile(text)


@pytest.mark.parametrize(("one", "other"), list(permutations(SPLITS, 2)))
def test_splits_share_no_template_of_any_sort(one: Split, other: Split) -> None:
    mine = {bare(t) for t in (*spoken(one), *asked(one), *RELATIONS[one])}
    theirs = {bare(t) for t in (*spoken(other), *asked(other), *RELATIONS[other])}
    assert not mine & theirs


@pytest.mark.parametrize(("one", "other"), list(permutations(SPLITS, 2)))
def test_no_phrase_of_one_split_is_a_part_of_one_of_another(one: Split, other: Split) -> None:
    for mine, theirs in ((spoken(one), spoken(other)), (asked(one), asked(other))):
        # A single word ("Listen!") is a cue that splits share on purpose.
        phrases = [phrase for phrase in map(bare, mine) if " " in phrase]
        assert len(phrases) > 20
        inside = [(part, whole) for part in phrases for whole in map(bare, theirs) if f" {part} " in f" {whole} "]
        assert inside == []


def test_no_template_is_listed_twice_within_a_split() -> None:
    for split in SPLITS:
        counts = Counter(map(bare, spoken(split) + asked(split)))
        assert [text for text, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("split", ["val", "test"])
def test_no_sentence_of_a_held_out_conversation_comes_from_a_training_template(split: Split) -> None:
    training = [pattern(t) for t in (*spoken("train"), *asked("train"))]
    own = [pattern(t) for t in (*spoken(split), *asked(split))]
    seen: set[str] = set()
    for index in range(25):
        conversation = simulate(8, split, index, 8, 0.8).conversation
        seen |= {s for x in conversation.sessions for t in x.turns for s in re.split(r"(?<=[.!?]) ", t.text)}
        seen |= {question.text for question in conversation.questions}
    assert len(seen) > 500
    for sentence in seen:
        assert any(p.fullmatch(sentence) for p in own), f"of no template: {sentence}"
        assert not any(p.fullmatch(sentence) for p in training), f"a training phrase: {sentence}"


def test_templates_are_one_sentence_each_with_known_holes_only() -> None:
    for split in SPLITS:
        for text in spoken(split) + asked(split):
            assert re.fullmatch(r"[^.!?]+[.!?]", text), text
            assert set(re.findall(r"\{(.*?)\}", text)) <= {"n", "v", "a", "r"}, text
            assert text.count("{v}") <= 1


def test_every_kind_can_be_stated_and_asked_in_every_split() -> None:
    for split in SPLITS:
        for kind in KINDS.values():
            assert kind.says[split] and kind.asks[split]
            assert {form for form, _ in kind.says[split]} <= set(range(len(kind.canonical)))
            assert all("{v}" in text for _, text in kind.says[split])
            assert bool(kind.says_gone[split]) == bool(kind.gone)
            # Either every split asks it or none, so that the mix of questions is the same.
            assert bool(kind.asks_when[split]) == bool(kind.asks_when["train"])
            assert bool(kind.asks_whether[split]) == bool(kind.asks_whether["train"])


def test_a_lost_fact_is_of_a_kind_of_which_one_can_hold_several() -> None:
    # A single value is replaced, never lost: what is asked about it always has an answer.
    assert all(kind.multiple for kind in KINDS.values() if kind.gone)


def test_the_article_follows_the_first_letter() -> None:
    assert [article(word) for word in ("cat", "owl", "Ox")] == ["a", "an", "an"]
