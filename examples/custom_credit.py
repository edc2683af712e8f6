"""A credit rule of your own, on plain arrays, beside GRPO and LoGo-GRPO. Needs numpy, no model and no trace.

The rule: replace every reward by its rank within its group, then centre. One answer that is very much better
than the rest then weighs no more than one that is a little better. nan marks a missing reward, never 0.

    python examples/custom_credit.py

To train with it, register it and start the run from Python:

    fairmem.train.run(load_recipe("memory_r2_small", ["credit.rule=rank"]), Path("runs/rank"))
"""

from __future__ import annotations

import numpy as np

from fairmem.credit import CREDIT_RULES, CreditConfig, Floats, LocalRewards, LogoCredit, Need, Rule, RuleInput, logo


def ranks(rewards_G: Floats) -> Floats:
    """Rank of each reward in [0, 1], ties sharing their mean rank; nan stays nan."""
    below_G = (rewards_G[:, None] > rewards_G).sum(axis=1)
    above_G = (rewards_G[:, None] < rewards_G).sum(axis=1)
    others = max(int((~np.isnan(rewards_G)).sum()) - 1, 1)
    return np.where(np.isnan(rewards_G), np.nan, 0.5 + (below_G - above_G) / (2 * others))


def rank_rule(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    """LoGo's groups with ranks in place of rewards: A = rank - mean rank, in [-1/2, 1/2]."""
    ranked_G_S = np.apply_along_axis(ranks, 0, given.rewards_G_S)
    ranked_local = [(session, ranks(np.asarray(rewards_R))) for session, rewards_R in given.local]
    return logo(ranked_G_S, ranked_local, settings.local_weight, "mean", settings.floor)


CREDIT_RULES["rank"] = Rule(rank_rule, needs=frozenset({Need.FORKS}), summary="LoGo on ranks.")


def main() -> None:
    # Four rollouts (rows) of three sessions (columns). No question is about session 2 (nan), all agree on 3.
    rewards_G_S = np.array([[0.1, np.nan, 0.5], [0.2, np.nan, 0.5], [0.3, np.nan, 0.5], [1.0, np.nan, 0.5]])
    # Session 3 again, three times from the memory that rollout 0 had at its start.
    local: list[LocalRewards] = [(3, np.array([0.5, 0.6, 0.4]))]
    for name in ("grpo", "logo", "rank"):
        credit = CREDIT_RULES[name].apply(RuleInput(rewards_G_S, local), CreditConfig(scale="std"))
        counts = credit.diagnostics.global_groups
        dropped = f"{counts.zero_variance} without contrast, {counts.unscored} unscored"
        print(f"{name}: {counts.kept} of {len(rewards_G_S.T)} sessions compared ({dropped})")
        print(f"  session 1        {np.round(credit.global_G_S[:, 0], 2)}")
        print(f"  session 3 again  {np.round(credit.local[0], 2)}, weight {credit.local_weight}")


if __name__ == "__main__":
    main()
