from __future__ import annotations

from fairmem.credit import CreditDiagnostics, GroupCounts, group_centred


def test_counts_add_up_over_trees() -> None:
    one = CreditDiagnostics(GroupCounts(formed=3, zero_variance=1, members=4, advantage_sum=2.0), failed_branches=1)
    two = CreditDiagnostics(GroupCounts(formed=1, members=4, advantage_sum=4.0), GroupCounts(formed=2, unscored=5))
    total = one + two
    assert total.global_groups == GroupCounts(formed=4, zero_variance=1, members=8, advantage_sum=6.0)
    assert total.global_groups.mean_abs_advantage == 0.75
    assert total.local_groups.unscored == 5 and total.failed_branches == 1


def test_metrics_name_every_count_and_leave_out_a_mean_over_nothing() -> None:
    counts = GroupCounts.of([group_centred([0.0, 1.0], "mean"), group_centred([0.5, 0.5])])
    assert CreditDiagnostics(counts).as_metrics() == {
        "failed_branches": 0,
        "global_formed": 2,
        "global_kept": 1,
        "global_zero_variance": 1,
        "global_too_few_scored": 0,
        "global_unscored": 0,
        "global_mean_abs_advantage": 0.5,
        "local_formed": 0,
        "local_kept": 0,
        "local_zero_variance": 0,
        "local_too_few_scored": 0,
        "local_unscored": 0,
    }
