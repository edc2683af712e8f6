"""The words: three disjoint splits of real ones, and pseudo-words."""

import random
import re
from itertools import combinations

import pytest

from fairmem.data.village import KINDS, SPLITS, Split, pseudo_lexicon, real_lexicon

KEYS = {kind.lexicon_key for kind in KINDS.values()}


def test_every_kind_of_fact_has_values_in_every_split() -> None:
    for split in SPLITS:
        lexicon = real_lexicon(split)
        assert set(lexicon.values) == KEYS
        # A speaker holds up to three of a kind at once, and needs others to change to.
        assert min(len(values) for values in lexicon.values.values()) >= 6
        assert len(lexicon.names) >= 50


@pytest.mark.parametrize(("one", "other"), list(combinations(SPLITS, 2)))
def test_splits_share_no_name_and_no_value_in_any_case(one: Split, other: Split) -> None:
    a, b = real_lexicon(one), real_lexicon(other)
    assert not {n.lower() for n in a.names} & {n.lower() for n in b.names}
    # Over all kinds together: a colour of training is no fruit of the test either.
    assert not {v.lower() for vs in a.values.values() for v in vs} & {v.lower() for vs in b.values.values() for v in vs}


def test_words_can_be_read_back_from_sentences_and_lists() -> None:
    for split in SPLITS:
        lexicon = real_lexicon(split)
        assert all(re.fullmatch(r"\w+", name) for name in lexicon.names)
        words = [value for values in lexicon.values.values() for value in values]
        assert not [word for word in words if re.search(r"[,.!?<>{}\n]", word) or word != word.strip()]


def test_pseudo_words_are_drawn_from_the_given_generator_alone() -> None:
    base = real_lexicon("train")
    assert pseudo_lexicon(random.Random(4), base) == pseudo_lexicon(random.Random(4), base)
    assert pseudo_lexicon(random.Random(4), base) != pseudo_lexicon(random.Random(5), base)


def test_the_share_says_how_many_fillers_are_pseudo_words() -> None:
    base = real_lexicon("train")
    real = {value for values in base.values.values() for value in values}

    def share_of_real(share: float) -> float:
        lexicons = [pseudo_lexicon(random.Random(seed), base, share) for seed in range(20)]
        drawn = [value for lexicon in lexicons for values in lexicon.values.values() for value in values]
        return sum(value in real for value in drawn) / len(drawn)

    assert share_of_real(0.0) == 1.0
    # 20 lexicons of 10 keys with 12 words each: 2400 draws, standard deviation of a share of 0.4 about 0.01.
    assert share_of_real(0.6) == pytest.approx(0.4, abs=0.05)
    assert share_of_real(1.0) < 0.01


def test_pseudo_names_differ_and_places_are_capitalised() -> None:
    for seed in range(20):
        lexicon = pseudo_lexicon(random.Random(seed), real_lexicon("train"), 1.0)
        assert len(set(lexicon.names)) == 6 and all(re.fullmatch(r"[A-Z][a-z]+", name) for name in lexicon.names)
        assert all(word == word.title() for key in ("city", "country") for word in lexicon.values[key])
        assert all(word == word.lower() for word in lexicon.values["food"])


def test_no_invented_name_is_a_real_one() -> None:
    real = {name for split in SPLITS for name in real_lexicon(split).names}
    for seed in range(300):
        for spliced in (0.0, 1.0):
            assert not real & set(pseudo_lexicon(random.Random(seed), real_lexicon("train"), 1.0, spliced).names)


def test_spliced_words_begin_and_end_as_real_ones_and_are_nearly_always_new() -> None:
    base = real_lexicon("train")
    real = {value.lower() for values in base.values.values() for value in values}
    heads = {key: {v.lower()[:2] for v in values} for key, values in base.values.items()}
    tails = {key: {v.lower()[-2:] for v in values} for key, values in base.values.items()}
    drawn = new = 0
    for seed in range(30):
        for key, values in pseudo_lexicon(random.Random(seed), base, 1.0, 1.0).values.items():
            for word in values:
                assert word.lower()[:2] in heads[key] and word.lower()[-2:] in tails[key]
                assert re.fullmatch(r"[^,.!?<>={}\n]+", word) and word == word.strip()
                drawn, new = drawn + 1, new + (word.lower() not in real)
    assert new > 0.98 * drawn
