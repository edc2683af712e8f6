"""The parts of the reward, each from one outcome, and the table that names them."""

from dataclasses import replace

import pytest

from fairmem.config import RewardConfig
from fairmem.credit import session_reward
from fairmem.rewards import REWARDS, AnswerReward, CompressionReward, Outcome, reward_parts
from fairmem.trace import QuizItem, SessionReward

SETTINGS = RewardConfig(compression_tau=0.25, compression_lambda=0.5)


def item(score: float | None, *sessions: int) -> QuizItem:
    return QuizItem(question="q", category="temporal", after_session=3, gold="g", score=score, sessions=sessions)


QUIZ = (item(1.0, 1), item(0.5, 1, 2), item(None, 3), item(0.0, 2))
WHOLE = Outcome(local=False, sessions=(1, 2, 3), quiz=QUIZ, memory_tokens=50, dialogue_tokens=100)
AGAIN = replace(WHOLE, local=True, sessions=(3,))


def test_a_global_branch_earns_by_evidence_session() -> None:
    # Session 1: 1 and 0.5; session 2: 0.5 and 0; session 3: its only answer failed.
    assert AnswerReward()(WHOLE, SETTINGS) == {1: 0.75, 2: 0.25, 3: None}


def test_a_local_branch_earns_the_mean_of_its_whole_quiz_at_its_last_session() -> None:
    # (1 + 0.5 + 0) / 3, the failed one left out.
    assert AnswerReward()(AGAIN, SETTINGS) == {3: 0.5}
    assert AnswerReward()(replace(AGAIN, quiz=()), SETTINGS) == {3: None}


def test_every_session_of_a_branch_is_charged_for_the_final_memory() -> None:
    # 0.5 * (50 - 0.25 * 100) / 100
    assert CompressionReward()(WHOLE, SETTINGS) == {1: 0.125, 2: 0.125, 3: 0.125}
    assert CompressionReward()(AGAIN, SETTINGS) == {3: 0.125}


def test_without_dialogue_there_is_nothing_to_compare_memory_with() -> None:
    assert CompressionReward()(replace(WHOLE, dialogue_tokens=0), SETTINGS) == {1: None, 2: None, 3: None}


def test_the_table_holds_each_part_under_its_name_and_penalties_are_subtracted() -> None:
    assert list(reward_parts(SETTINGS)) == ["answer", "compression_penalty"]
    assert all(name == reward.name for name, reward in REWARDS.items())
    parts = {name: reward(WHOLE, SETTINGS)[1] for name, reward in reward_parts(SETTINGS).items()}
    assert session_reward(SessionReward(session=1, parts=parts)) == pytest.approx(0.75 - 0.125)
