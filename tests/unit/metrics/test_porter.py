"""Stems against the examples that Porter's paper gives for its rules, and against NLTK's departures."""

from __future__ import annotations

import pytest

from fairmem.metrics import porter_stem


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        # step 1a, 1b and 1c of the paper, carried through the later steps
        *(("caresses", "caress"), ("ponies", "poni"), ("caress", "caress"), ("cats", "cat")),
        *(("feed", "feed"), ("agreed", "agre"), ("plastered", "plaster"), ("bled", "bled"), ("motoring", "motor")),
        *(("sing", "sing"), ("conflated", "conflat"), ("troubled", "troubl"), ("sized", "size"), ("hopping", "hop")),
        *(("tanned", "tan"), ("falling", "fall"), ("hissing", "hiss"), ("fizzed", "fizz"), ("failing", "fail")),
        *(("filing", "file"), ("happy", "happi")),
        # step 2
        *(("relational", "relat"), ("conditional", "condit"), ("rational", "ration"), ("valenci", "valenc")),
        *(("digitizer", "digit"), ("radicalli", "radic"), ("vietnamization", "vietnam"), ("operator", "oper")),
        *(("feudalism", "feudal"), ("decisiveness", "decis"), ("hopefulness", "hope"), ("sensibiliti", "sensibl")),
        # step 3
        *(("triplicate", "triplic"), ("formative", "form"), ("electrical", "electr"), ("goodness", "good")),
        # step 4
        *(("revival", "reviv"), ("allowance", "allow"), ("inference", "infer"), ("adjustable", "adjust")),
        *(("replacement", "replac"), ("adoption", "adopt"), ("communism", "commun"), ("bowdlerize", "bowdler")),
        # step 5
        *(("probate", "probat"), ("rate", "rate"), ("cease", "ceas"), ("controll", "control"), ("roll", "roll")),
        # both halves of the paper's closing remark
        *(("generalizations", "gener"), ("oscillators", "oscil")),
    ],
)
def test_words_of_the_paper_have_the_stems_of_the_paper(word: str, stem: str) -> None:
    assert porter_stem(word) == stem


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("is", "is"),  # two letters stay; the paper would take the s
        ("say", "say"),  # y after a vowel stays; the paper gives "sai"
        ("by", "by"),
        ("dies", "die"),  # the paper gives "di"
        ("died", "die"),
        ("skies", "sky"),
        ("dying", "die"),
        ("news", "news"),
        ("Skies", "sky"),
        ("2023", "2023"),
    ],
)
def test_departures_from_the_paper_are_those_of_nltk(word: str, stem: str) -> None:
    assert porter_stem(word) == stem
