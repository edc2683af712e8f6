from __future__ import annotations

import pytest

from fairmem.metrics import source_score


@pytest.mark.parametrize(
    ("source", "answer", "gold", "score"),
    [
        ("squad", "It was IDA VELL, they say.", "Ida Vell", 1.0),
        ("squad", "Nobody knows.", "Ida Vell", 0.0),
        ("hotpotqa", "Norway", "norway", 1.0),
        ("perltqa", "PER rowed.", "Per; Orlo", 0.5),  # one of two parts, whatever the case of the answer
        ("perltqa", "x", ";", 0.0),
        ("trec", "3", "3", 1.0),
        ("trec", r"The label is \boxed{3}.", "3", 1.0),
        ("trec", "It is 3", "3", 0.0),  # not the label alone
        ("nlu", "13", "3", 0.0),
        ("pubmed_rct", r"\boxed{2} no, \boxed{4}", "4", 1.0),
        ("label", "Blue green.", "blue green", 1.0),
        ("icl_trec_coarse", "2", "2", 1.0),
        ("booksum", "Ida rows to Orlo.", "Ida, Per, Orlo, dawn", 0.5),
        ("infbench_sum_eng", "ida", "Ida", 1.0),
        # longest common subsequence "a b d" of 4 and 5 words: 2 * 3 / 9
        ("infbench_qa_eng", "k b c d", "k x b d y", 2 * 3 / 9),
        ("ruler_qa1_197K", "The answer is Ida Vell.", "ida vell", 1.0),
        ("ruler_qa1_197K", "Idaho", "Ida", 0.0),  # whole words
        ("village", "a red car", "red car", 1.0),
    ],
)
def test_an_answer_is_scored_by_the_rule_of_its_source(source: str, answer: str, gold: str, score: float) -> None:
    assert source_score(source)(answer, gold) == pytest.approx(score)
