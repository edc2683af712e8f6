"""Every credit rule by its name in a recipe: what it does, what it needs, where it comes from.

Each row joins a pure function of this package to the form the trainer calls. To add a rule: the function in a file of
its own, an adapter and a row here, a row in docs/algorithms.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from fairmem.config import CreditConfig
from fairmem.credit.broadcast import broadcast
from fairmem.credit.clone import clone
from fairmem.credit.counterfactual import counterfactual, shrunk_counterfactual
from fairmem.credit.counterfactual_op import counterfactual_op
from fairmem.credit.diagnostics import CreditDiagnostics, GroupCounts
from fairmem.credit.dr_grpo import dr_grpo
from fairmem.credit.gigpo import gigpo
from fairmem.credit.group import GroupCredit, GroupOutcome
from fairmem.credit.grpo import GrpoCredit, grpo
from fairmem.credit.hcapo import hcapo
from fairmem.credit.logo import LogoCredit, logo
from fairmem.credit.membuilder import membuilder
from fairmem.credit.per_turn import per_turn
from fairmem.credit.ppo import ppo
from fairmem.credit.rloo import rloo
from fairmem.credit.rule import Need, Rule, RuleInput
from fairmem.credit.shrunk_logo import shrunk_logo
from fairmem.credit.tree import tree
from fairmem.credit.vine import vine
from fairmem.errors import CreditError

_T = TypeVar("_T")


def _given(value: _T | None, need: str) -> _T:
    """A field of the input that this rule needs.

    Raises:
        CreditError: the input was made without it.
    """
    if value is None:
        raise CreditError(f"this credit rule needs {need}, which its input lacks")
    return value


def _global_only(credit: GrpoCredit, given: RuleInput) -> LogoCredit:
    """Credit of the rollouts alone: no local group is formed."""
    sizes = [len(np.asarray(rewards)) for _, rewards in given.local]
    return LogoCredit(
        global_G_S=credit.advantages_G_S,
        global_kept_G_S=credit.kept_G_S,
        local=tuple(np.zeros(size) for size in sizes),
        local_kept=tuple(np.zeros(size, dtype=np.bool_) for size in sizes),
        local_weight=0.0,
        diagnostics=credit.diagnostics,
    )


def _paired(credit: GrpoCredit) -> GrpoCredit:
    """Without the sessions in which one rollout only has credit: the learner takes no row that stands alone."""
    kept = credit.kept_G_S & (credit.kept_G_S.sum(axis=0) != 1)
    return replace(credit, advantages_G_S=np.where(kept, credit.advantages_G_S, 0.0), kept_G_S=kept)


def _grpo(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    return _global_only(grpo(given.rewards_G_S, settings.scale, settings.floor), given)


def _dr_grpo(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    return _global_only(dr_grpo(given.rewards_G_S, settings.floor), given)


def _rloo(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    return _global_only(rloo(given.rewards_G_S, settings.floor), given)


def _broadcast(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    rewards_G, sessions = _given(given.trajectory_G, "a reward per rollout"), given.rewards_G_S.shape[1]
    return _global_only(broadcast(rewards_G, sessions, settings.scale, settings.floor), given)


def _per_turn(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    gamma = 1.0 if settings.gamma is None else settings.gamma
    return _global_only(per_turn(given.rewards_G_S, gamma, settings.scale, settings.floor), given)


def _logo(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    return logo(given.rewards_G_S, given.local, settings.local_weight, settings.scale, settings.floor)


def _shrunk_logo(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    return shrunk_logo(given.rewards_G_S, given.local, settings.local_weight, settings.scale, settings.floor)


def _tree(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    forest = _given(given.forest, Need.TREE)
    credit = tree(forest.rewards_leaves, forest.parents_N, settings.scale, settings.floor, settings.omega)
    return LogoCredit(
        global_G_S=credit.advantages_N[forest.global_G_S],
        global_kept_G_S=credit.kept_N[forest.global_G_S],
        local=tuple(credit.advantages_N[nodes] for nodes in forest.local),
        local_kept=tuple(credit.kept_N[nodes] for nodes in forest.local),
        local_weight=settings.local_weight,
        diagnostics=credit.diagnostics,
        mixed=True,
    )


def _gigpo(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    gamma = 0.95 if settings.gamma is None else settings.gamma
    anchors = _given(given.anchors_G_S, Need.ANCHORS)
    return _global_only(gigpo(given.rewards_G_S, anchors, settings.omega, gamma, settings.scale, settings.floor), given)


def _vine(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    """The last value is the final reward, so nothing is earned on the way."""
    values = _given(given.values_G_S1, Need.STATE_VALUES)
    found = vine(np.zeros((len(values), values.shape[1] - 1)), values)
    credit = _paired(found)
    groups = [
        GroupCredit(advantages, kept, GroupOutcome.KEPT if kept.any() else GroupOutcome.TOO_FEW_SCORED)
        for advantages, kept, before in zip(credit.advantages_G_S.T, credit.kept_G_S.T, found.kept_G_S.T, strict=True)
        if before.any()
    ]
    unscored = GroupCounts(unscored=values.shape[1] - 1 - len(groups))
    return _global_only(replace(credit, diagnostics=CreditDiagnostics(GroupCounts.of(groups) + unscored)), given)


def _counterfactual(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    values = _given(given.values_G_S1, Need.STATE_VALUES)
    return _global_only(counterfactual(values, settings.scale, settings.floor), given)


def _shrunk_counterfactual(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    values = _given(given.values_G_S1, Need.STATE_VALUES)
    return _global_only(shrunk_counterfactual(values, settings.scale, settings.floor), given)


def _counterfactual_op(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    credit = counterfactual_op(_given(given.decisions, Need.OP_VALUES).gains_G_D, settings.scale, settings.floor)
    return replace(_nothing_global(given, credit.diagnostics), decisions=credit)


def _nothing_global(given: RuleInput, diagnostics: CreditDiagnostics) -> LogoCredit:
    """No credit by session: the rule has it in another form."""
    nothing = np.zeros(given.rewards_G_S.shape)
    return _global_only(GrpoCredit(nothing, nothing.astype(np.bool_), diagnostics), given)


def _membuilder(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    used = _given(given.used_G_S_K, Need.PROVENANCE)
    credit = membuilder(given.rewards_G_S, used, settings.used_weight, settings.scale, settings.floor)
    plain = GrpoCredit(credit.advantages_G_S, credit.kept_G_S, credit.diagnostics)
    return replace(_global_only(plain, given), chunk_weights_G_S_K=credit.weights_G_S_K)


def _hcapo(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    gamma = 0.95 if settings.gamma is None else settings.gamma
    rewards_G = _given(given.trajectory_G, "a reward per rollout")
    logp = _given(given.hindsight_G_S, Need.HINDSIGHT_LOGPROB)
    credit = hcapo(rewards_G, logp, settings.omega, gamma, scale=settings.scale, floor=settings.floor)
    return _global_only(_paired(credit), given)


def _clone(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    del settings  # rewards are not looked at
    return _global_only(clone(*given.rewards_G_S.shape), given)


def _ppo(given: RuleInput, settings: CreditConfig) -> LogoCredit:
    gamma = 1.0 if settings.gamma is None else settings.gamma
    tracks = ppo(
        _given(given.tracks_G, Need.CRITIC), gamma, settings.gae_lambda, settings.scale == "std", settings.floor
    )
    members = sum(bool(track.kept_U.any()) for track in tracks)
    size = sum(float(np.abs(track.advantages_U).sum()) for track in tracks)
    turns = sum(int(track.kept_U.sum()) for track in tracks)
    counts = GroupCounts(formed=int(members > 0), members=turns, advantage_sum=size)
    return replace(_nothing_global(given, CreditDiagnostics(counts)), tracks_G=tracks)


CREDIT_RULES: dict[str, Rule] = {
    "grpo": Rule(
        _grpo,
        source="DeepSeekMath 2402.03300; Memory-R2 2605.21768",
        summary="Each session of each rollout against the same session of the others.",
    ),
    "dr_grpo": Rule(_dr_grpo, source="2503.20783", summary="GRPO without division by the deviation."),
    "rloo": Rule(_rloo, source="2402.14740", summary="Against the mean of the others."),
    "broadcast": Rule(
        _broadcast,
        source="Mem-alpha 2509.25911; MemAgent 2507.02259",
        summary="One advantage per rollout, copied to all of its sessions.",
    ),
    "per_turn": Rule(
        _per_turn,
        frozenset({Need.SESSION_REWARDS}),
        "reward-to-go; MMPO 2605.30159",
        "What a rollout earns from a session on, against the same of the others.",
    ),
    "logo": Rule(
        _logo, frozenset({Need.FORKS}), "Memory-R2 2605.21768", "GRPO, and rerollouts of a session from one memory."
    ),
    "shrunk_logo": Rule(
        _shrunk_logo, frozenset({Need.FORKS}), "fairmem", "LoGo, its kinds weighed by their measured variances."
    ),
    "tree": Rule(
        _tree,
        frozenset({Need.SESSION_REWARDS, Need.FORKS, Need.TREE}),
        "TreeMem 2605.04811; Tree-GRPO 2509.21240; Mem-T 2601.23014",
        "Leaf averages against those of siblings, and of all nodes of one depth.",
    ),
    "gigpo": Rule(
        _gigpo,
        frozenset({Need.SESSION_REWARDS, Need.ANCHORS}),
        "2505.10978",
        "The rollout's advantage, and that among rollouts with equal memory before the session.",
    ),
    "vine": Rule(
        _vine,
        frozenset({Need.SESSION_REWARDS, Need.STATE_VALUES}),
        "VinePPO 2410.01679",
        "What a session changed in the quiz of its memory.",
    ),
    "vine_continue": Rule(
        _vine,
        frozenset({Need.SESSION_REWARDS, Need.FORKS, Need.CONTINUATIONS}),
        "VinePPO 2410.01679",
        "The same, a memory valued by rollouts that go on from it.",
    ),
    "counterfactual": Rule(
        _counterfactual,
        frozenset({Need.SESSION_REWARDS, Need.STATE_VALUES}),
        "fairmem",
        "What a session changed in the quiz of its memory, against what the others changed in theirs.",
    ),
    "shrunk_counterfactual": Rule(
        _shrunk_counterfactual,
        frozenset({Need.SESSION_REWARDS, Need.STATE_VALUES}),
        "fairmem",
        "The same, mixed with the change up to the end by their measured variances.",
    ),
    "counterfactual_op": Rule(
        _counterfactual_op,
        frozenset({Need.SESSION_REWARDS, Need.OP_VALUES}),
        "fairmem",
        "What each operation changed in the quiz of its memory, against what others made of the same dialogue turn.",
    ),
    "membuilder": Rule(
        _membuilder,
        frozenset({Need.SESSION_REWARDS, Need.PROVENANCE}),
        "2601.05488",
        "GRPO; the chunk whose entries the answerer was shown most weighs more.",
    ),
    "hcapo": Rule(
        _hcapo,
        frozenset({Need.SESSION_REWARDS, Need.HINDSIGHT_LOGPROB}),
        "2603.08754",
        "Broadcast, and how likely a session's turns are once the outcome is known.",
    ),
    "ppo": Rule(
        _ppo,
        frozenset({Need.SESSION_REWARDS, Need.CRITIC}),
        "PPO 1707.06347; GAE 1506.02438; Memory-R1 2508.19828",
        "Every turn against a value head's expectation (GAE); nothing is compared with other rollouts.",
    ),
    "clone": Rule(
        _clone,
        frozenset({Need.DEMONSTRATIONS}),
        "Memory-R1 2508.19828 (Memory-SFT)",
        "Every turn of a demonstration alike: with the loss `imitation`, behaviour cloning.",
    ),
}
"""Name in a recipe (`credit.rule`) -> rule."""
