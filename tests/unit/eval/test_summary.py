from __future__ import annotations

import math
from typing import Any

import pytest

from fairmem.errors import ConfigError
from fairmem.eval import AnswerRecord, compare, summarise
from tests.unit.eval.build import answer, memory, result


def test_the_mean_is_over_questions_not_over_conversations() -> None:
    # Questions: (1 + 1 + 0 + 0) / 4 = 0.5; the mean of the conversations' means would be (2/3 + 0) / 2 = 1/3.
    assert summarise(result([[1.0, 1.0, 0.0], [0.0]])).overall.mean == pytest.approx(0.5)


def test_below_five_conversations_the_interval_is_students_t() -> None:
    # Means 0.4, 0.5, 0.6: s = 0.1, se = 0.1 / sqrt(3) = 0.057735; t(0.975, 2) = 4.302653; reach 0.248414.
    overall = summarise(result([[0.4], [0.5], [0.6]])).overall
    assert (overall.low, overall.high) == pytest.approx((0.5 - 0.248414, 0.5 + 0.248414), abs=1e-5)


def test_intervals_are_cut_to_the_values_a_score_can_take() -> None:
    # Means 0, 0.5, 1: s = 0.5, reach 4.302653 * 0.5 / sqrt(3) = 1.242: t alone would give [-0.74, 1.74].
    overall = summarise(result([[0.0], [0.5], [1.0]])).overall
    assert (overall.low, overall.high) == (0.0, 1.0)


def test_from_five_conversations_on_the_interval_is_the_bootstrap() -> None:
    # Conversation means 0, 0, 0, 0, 1: t would go below 0 before cutting and reach 0.2 + 2.776 * 0.2 = 0.755;
    # a bootstrap mean is a multiple of 1/5.
    overall = summarise(result([[0.0], [0.0], [0.0], [0.0], [1.0]])).overall
    assert overall.low == 0.0
    assert overall.high * 5 == pytest.approx(round(overall.high * 5))


def test_one_conversation_has_no_interval() -> None:
    overall = summarise(result([[0.0, 1.0]])).overall
    assert overall.mean == 0.5 and math.isnan(overall.low) and math.isnan(overall.high)


def test_failed_questions_are_counted_and_in_no_mean() -> None:
    found = summarise(result([[1.0, None], [0.5, None]]))
    assert found.overall.mean == 0.75
    assert (found.asked, found.unscored, found.failures) == (4, 2, {"timeout": 2})
    # Questions 1 of each conversation are the temporal ones.
    assert math.isnan(found.categories["temporal"].mean)
    assert (found.categories["temporal"].n, found.categories["temporal"].unscored) == (0, 2)


def test_categories_come_in_their_order_and_only_those_asked() -> None:
    found = result([[1.0, 0.0]])
    more = (*found.answers, answer("c0", 8, 1.0, "own_category"), answer("c0", 9, 1.0, "multi_hop"))
    summary = summarise(found.model_copy(update={"answers": more}))
    # LoCoMo's order is multi hop, temporal, open domain, single hop, adversarial.
    assert list(summary.categories) == ["multi_hop", "temporal", "single_hop", "own_category"]


def test_sizes_are_means_over_the_conversations_whose_memory_was_built() -> None:
    found = result([[1.0], [1.0]])
    memories = (memory("c0"), memory("c1", entries=20, tokens=150), memory("c2", entries=3, failed=True))
    summary = summarise(found.model_copy(update={"memories": memories}))
    size = summary.size
    # Entries (10 + 20) / 2; tokens (50 + 150) / 2; shares 50 / 200 and 150 / 200.
    assert (size.entries.mean, size.tokens.mean, size.share.mean) == (15.0, 100.0, 0.5)
    assert (size.entries.n, size.entries.unscored) == (2, 1)
    assert (summary.conversations, summary.failed) == (3, 1)


def test_m_fail_and_r_fail_are_shares_of_all_evidence_turns() -> None:
    found = result([[1.0], [1.0]])
    memories = (memory("c0", evidence=4, lost=1, unshown=2), memory("c1", evidence=16, lost=3, unshown=0))
    summary = summarise(found.model_copy(update={"memories": memories}))
    # (1 + 3) / 20 and (2 + 0) / 20.
    assert summary.m_fail.mean == pytest.approx(0.2)
    assert summary.r_fail.mean == pytest.approx(0.1)
    assert summary.m_fail.n == 20


def test_evidence_of_a_memory_that_was_not_built_counts_neither_way() -> None:
    found = result([[1.0], [1.0]])
    memories = (memory("c0"), memory("c1", failed=True, evidence=100, lost=100))
    assert summarise(found.model_copy(update={"memories": memories})).m_fail.mean == pytest.approx(0.25)


def test_replies_parsed_as_asked_are_ok_or_empty() -> None:
    summary = summarise(result([[1.0], [1.0]]))
    # Per conversation the extractor has 3 ok, 1 truncated; the manager 3 ok, 1 empty.
    assert summary.parse["extractor"].mean == pytest.approx(6 / 8)
    assert summary.parse["manager"].mean == 1.0
    assert list(summary.parse) == ["extractor", "manager"]
    assert summary.replies == {"extractor ok": 6, "extractor truncated": 2, "manager empty": 2, "manager ok": 6}
    assert summary.ops == {"INSERT applied": 20, "NOOP noop": 4}


def test_a_rate_has_the_interval_of_its_single_turns() -> None:
    # Lost 0 of 2, 1 of 2, 2 of 2 turns: turns 0 0, 0 1, 1 1, whose mean is 0.5. Sums of residuals per conversation
    # -1, 0, 1; se = sqrt(3/2 * 2) / 6 = 0.288675; t(0.975, 2) = 4.302653; 0.5 + 1.242 is cut to 1.
    found = result([[1.0], [1.0], [1.0]])
    memories = tuple(memory(f"c{i}", evidence=2, lost=i) for i in range(3))
    m_fail = summarise(found.model_copy(update={"memories": memories})).m_fail
    assert m_fail.se == pytest.approx(0.288675, abs=1e-6)
    assert (m_fail.low, m_fail.high) == (0.0, 1.0)


def test_a_change_is_paired_by_question() -> None:
    before = result([[0.1], [0.2], [0.3]])
    after = result([[0.5], [0.5], [0.8]])
    # Differences 0.4, 0.3, 0.5: mean 0.4, s = 0.1, reach 4.302653 * 0.1 / sqrt(3) = 0.248414. All three rise:
    # of the 8 sign patterns only +++ and --- reach the mean, p = 2 / 8.
    overall = compare(before, after).overall
    assert (overall.difference, overall.low, overall.high) == pytest.approx((0.4, 0.151586, 0.648414), abs=1e-5)
    assert overall.p == 0.25


def test_a_change_does_not_depend_on_the_order_of_the_answers() -> None:
    before, after = result([[0.1, 0.9], [0.2, 0.0]]), result([[0.5, 1.0], [0.4, 0.1]])
    turned = after.model_copy(update={"answers": after.answers[::-1], "memories": after.memories[::-1]})
    assert compare(before, turned) == compare(before, after)


def test_questions_without_a_partner_are_counted_and_left_out() -> None:
    before = result([[0.0, 0.0], [0.0, 0.0]])
    after = result([[1.0, None], [1.0]])
    change = compare(before, after)
    # Pairs: q0 of both (both +1), q1 of c0 (failed after); q1 of c1 was asked only before.
    assert (change.overall.difference, change.overall.n, change.overall.unscored) == (1.0, 2, 1)
    assert (change.unpaired, change.better, change.worse) == (1, 2, 0)


def test_changes_of_the_memory_are_per_conversation() -> None:
    before = result([[1.0], [1.0]])
    later = (memory("c0", entries=14, tokens=70, lost=2), memory("c1", entries=16, tokens=90, lost=3))
    change = compare(before, before.model_copy(update={"memories": later}))
    # Entries +4 and +6; tokens +20 and +40; shares +0.1 and +0.2; lost +1 and +2 of 4 turns each.
    assert change.entries.difference == 5.0
    assert change.tokens.difference == 30.0
    assert change.share.difference == pytest.approx(0.15)
    assert change.m_fail.difference == pytest.approx(0.375)
    assert change.r_fail.difference == 0.0
    # s of 4 and 6 is sqrt(2), se 1, t(0.975, 1) = 12.7062.
    assert (change.entries.low, change.entries.high) == pytest.approx((5 - 12.7062, 5 + 12.7062), abs=1e-3)


def test_lost_evidence_is_compared_only_where_both_were_asked_the_same() -> None:
    before = result([[1.0], [1.0], [1.0]])
    later = (memory("c0", lost=2), memory("c1", evidence=8, lost=8), memory("c2", lost=4, failed=True))
    m_fail = compare(before, before.model_copy(update={"memories": later})).m_fail
    # Only c0 counts: from 1 to 2 lost of 4 turns.
    assert (m_fail.difference, m_fail.n, m_fail.clusters) == (0.25, 4, 1)


def test_an_evaluation_compared_with_itself_shows_no_change() -> None:
    same = result([[0.1, 0.9], [0.2, 0.0], [1.0, None]])
    change = compare(same, same)
    assert (change.overall.difference, change.overall.low, change.overall.high, change.overall.p) == (0, 0, 0, 1)
    assert (change.better, change.worse, change.unpaired) == (0, 0, 0)


def test_scores_of_two_definitions_are_not_compared() -> None:
    with pytest.raises(ConfigError, match=r"scored by F1\[bag.*the other by EM"):
        compare(result([[1.0]]), result([[1.0]], signature="EM[exact]"))


def test_the_same_evaluation_gives_the_same_numbers() -> None:
    found = result([[0.1], [0.2], [0.3], [0.4], [0.9], [1.0]])
    assert summarise(found) == summarise(found)


def test_an_evaluation_of_nothing_has_no_numbers() -> None:
    summary = summarise(result([]))
    assert math.isnan(summary.overall.mean) and summary.asked == 0 and summary.parse == {}


def test_distillation_is_precision_over_what_was_kept_and_recall_over_what_could_have_been() -> None:
    def listed(number: int, kept: int, right: int, grounds: int, keep: str = "ok", reached: int = 1) -> AnswerRecord:
        changes: dict[str, Any] = {
            "keep": keep,
            "kept": kept,
            "kept_grounds": right,
            "grounds": grounds,
            "reached": reached,
        }
        return answer("c0", number, 1.0, **changes)

    rows = [
        listed(0, 2, 1, 1),  # precision 1/2, recall 1
        listed(1, 1, 1, 4),  # precision 1, recall 1/4
        listed(2, 0, 0, 1, "empty"),  # nothing kept: no precision, recall 0
        listed(3, 3, 0, 0, "partial", reached=0),  # no evidence in the conversation: in neither
        answer("c0", 4, 1.0),  # not asked for a list
    ]
    whole = result([[1.0]]).model_copy(update={"answers": tuple(rows)})
    found = summarise(whole).distillation
    assert found is not None
    assert (found.precision.mean, found.precision.n) == (0.75, 2)
    assert (found.recall.mean, found.recall.n) == (pytest.approx(1.25 / 3), 3)
    assert (found.kept.mean, found.kept.n, found.formed.mean) == (1.5, 4, 0.75)
    assert summarise(result([[1.0]])).distillation is None
