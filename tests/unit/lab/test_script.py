from __future__ import annotations

import numpy as np
import pytest

from fairmem.errors import ConfigError
from fairmem.lab.script import draw_script, script_of
from fairmem.lab.world import Kind, WorldSettings, delayed, mixed
from fairmem.seeds import numpy_rng
from tests.unit.lab.build import plain

FACT, PASSING, CHANGE, REPEAT, NOISE = Kind


def test_questions_open_and_close_with_what_holds() -> None:
    # Four sessions of two statements: a passing fact holds for two sessions, a lasting one is asked about a session
    # late, and a joke never.
    script = script_of(
        plain(4, 2, delay=1),
        [(FACT, 0), (PASSING, 1), (NOISE, 2), (CHANGE, 0), (REPEAT, 0), (NOISE, 0), (PASSING, 3), (FACT, 4)],
    )
    assert script.opens_K.tolist() == [1, 0, 4, 3, 3]  # the last fact is asked about at the end at the latest
    assert script.closes_K.tolist() == [4, 2, 4, 4, 4]
    assert script.asked_K.tolist() == [True, False, False, True, True]
    assert [np.flatnonzero(script.open_K(s)).tolist() for s in range(4)] == [[1], [0, 1], [0], [0, 3, 4]]


def test_evidence_is_what_says_what_holds_at_the_end() -> None:
    script = script_of(
        plain(4, 2),
        [(FACT, 0), (PASSING, 1), (NOISE, 2), (CHANGE, 0), (REPEAT, 0), (NOISE, 0), (PASSING, 3), (FACT, 4)],
    )
    # Not the fact that was changed, not what has passed, not noise.
    assert script.settled_D.tolist() == [False, False, False, True, True, False, True, True]
    assert script.evidence_K_S.astype(int).tolist() == [
        [0, 1, 1, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 1],
        [0, 0, 0, 1],
    ]


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        ([(FACT, 0)], "2 sessions of 1 statements, found 1"),
        ([(FACT, 0), (FACT, 2)], "topic 2, of which nothing was said"),
        ([(CHANGE, 0), (FACT, 1)], "CHANGE about topic 0, of which nothing was said"),
        ([(FACT, 0), (FACT, 0)], "FACT about topic 0, which cannot be said of it"),
        ([(PASSING, 0), (REPEAT, 0)], "REPEAT about topic 0, which cannot be said of it"),
    ],
)
def test_a_conversation_that_makes_no_sense_is_refused(statements: list[tuple[Kind, int]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        script_of(plain(2), statements)


def test_a_drawn_conversation_follows_its_seed_and_its_shares() -> None:
    settings = mixed(400, 0.5)
    script = draw_script(settings, numpy_rng(1, "a"))
    again = draw_script(settings, numpy_rng(1, "a"))
    assert script.kind_D.tolist() == again.kind_D.tolist() and script.topic_D.tolist() == again.topic_D.tolist()
    assert script.topic_D.tolist() != draw_script(settings, numpy_rng(2, "a")).topic_D.tolist()
    # 1,600 statements, so a share is off by about 0.012.
    shares = [float((script.kind_D == kind).mean()) for kind in Kind]
    assert shares == pytest.approx([0.4, 0.1, 0.1, 0.15, 0.25], abs=0.04)


def test_something_can_be_asked_at_the_end_of_any_conversation() -> None:
    silent = WorldSettings(2, 1, fact=0.0, passing=0.0, change=0.0, repeat=0.0, noise=1.0)
    assert draw_script(silent, numpy_rng(0, "a")).asked_K.tolist()[0]
    for seed in range(20):
        assert draw_script(delayed(4, 1.0), numpy_rng(seed, "a")).asked_K.any()
