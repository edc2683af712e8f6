"""What is said around the facts: enough of it in every split, and nothing that states a fact about a speaker."""

import pytest

from fairmem.data.village import KINDS, SPLITS, Split, read
from fairmem.data.village.splits import phrasings
from fairmem.data.village.talk import CLOSERS, OPENERS, OTHERS_SAY, RELATIONS, SMALL_TALK


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_has_words_around_the_facts(split: Split) -> None:
    for lines in (OPENERS, CLOSERS, SMALL_TALK):
        assert len(phrasings(lines, split)) >= 10
    assert len(phrasings(RELATIONS, split)) >= 5


@pytest.mark.parametrize("split", SPLITS)
def test_news_about_others_names_the_other_and_the_value(split: Split) -> None:
    assert set(OTHERS_SAY) <= set(KINDS)
    for lines in OTHERS_SAY.values():
        texts = phrasings(lines, split)
        assert len(texts) >= 2
        assert all(text.startswith("{r} ") and "{v}" in text for text in texts)


def test_small_talk_states_nothing() -> None:
    for split in SPLITS:
        for text in phrasings(SMALL_TALK, split):
            assert read(text) is None and "{" not in text
