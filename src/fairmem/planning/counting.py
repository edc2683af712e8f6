"""Counts the calls, waves and rows of played branches, each as often as it stands for sampled ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from fairmem.config import Recipe
from fairmem.credit import CREDIT_RULES, Need
from fairmem.episodes import TreePlan
from fairmem.planning.playing import Call
from fairmem.planning.work import RoleWork, RowWork, WaveWork
from fairmem.trace import Branch, EpisodeTree, RoleTurn


def written(calls: Sequence[Call], weights: dict[int, tuple[float, Branch, RoleTurn]]) -> list[RoleWork]:
    """What each writing role does; `weights`: seed of a turn -> (turns it stands for, its branch, the turn)."""
    found: list[RoleWork] = []
    for role in dict.fromkeys(call.tag for call in calls):
        own = [(call, weights[call.seed][0]) for call in calls if call.tag == role]
        found.append(
            RoleWork(
                role=role,
                calls=round(sum(weight for _, weight in own)),
                prompt=sum(call.prompt * weight for call, weight in own),
                distinct=sum(_distinct(call, weight) for call, weight in own),
                fresh=sum(_fresh(call, weight) for call, weight in own),
                sampled=sum(call.sampled * weight for call, weight in own),
            )
        )
    return found


def _distinct(call: Call, weight: float) -> float:
    """Prompt tokens of different prompts among `weight` copies of `call`."""
    return call.prompt * (0.0 if call.seen else 1.0) if call.shareable else call.prompt * weight


def _fresh(call: Call, weight: float) -> float:
    """Prompt tokens of `weight` copies of `call` that a cache of prefixes does not have."""
    return call.fresh * (1.0 if call.shareable else weight)


def answered(
    calls: Sequence[Call],
    trees: Sequence[EpisodeTree],
    plans: Sequence[TreePlan],
    copies: Sequence[Counter[str]],
    scale: float,
    recipe: Recipe,
) -> list[RoleWork]:
    """The quiz, and the judge of contents if that is the answerer."""
    reused = [Counter((b.first, b.last) for b in plan.branches if b.reused) for plan in plans]
    left = iter(calls)
    asked: list[tuple[Call, float]] = []
    for tree, of, again in zip(trees, copies, reused, strict=True):
        for branch in tree.branches:
            last = branch.rewards[-1].session if branch.rewards else 0
            more = again[branch.fork_session or 0, last] if branch.kind == "local" else 0
            memories = tree.sessions + 1 if recipe.rollout.state_values and branch.kind == "global" else 1
            weight = scale * (of[branch.id] + more)
            asked += [(next(left), weight) for _ in range(memories * len(branch.quiz))]
    quiz = RoleWork(
        role="answerer",
        calls=round(sum(weight for _, weight in asked)),
        prompt=sum(call.prompt * weight for call, weight in asked),
        distinct=sum(call.prompt * weight for call, weight in asked),
        fresh=sum(call.fresh * weight for call, weight in asked),
        sampled=sum(call.sampled * weight for call, weight in asked),
    )
    return [quiz] if asked else []


def waves_of(calls: Sequence[Call], weights: dict[int, tuple[float, Branch, RoleTurn]]) -> tuple[WaveWork, ...]:
    """The waves in order, with `weights` as of `written`."""
    waves: list[WaveWork] = []
    for number in dict.fromkeys(call.wave for call in calls):
        own = [(call, weights[call.seed][0]) for call in calls if call.wave == number]
        size = sum(weight for _, weight in own)
        waves.append(
            WaveWork(
                calls=round(size),
                prompt=sum(call.prompt * weight for call, weight in own) / size,
                distinct=sum(_distinct(call, weight) for call, weight in own),
                fresh=sum(_fresh(call, weight) for call, weight in own),
                sampled=sum(call.sampled * weight for call, weight in own) / size,
            )
        )
    return tuple(waves)


def rows_of(recipe: Recipe, trees: Sequence[EpisodeTree], plans: Sequence[TreePlan], scale: float) -> RowWork:
    """Turns of the trained roles in sessions that earn something, over all branches, reused ones included."""
    pack, trained = recipe.learner.pack_tokens, recipe.model.train
    # A critic's advantages reach turns of sessions that earn nothing; branches of a tree are compared to their end.
    everything = recipe.credit.scope == "trajectory" or recipe.reward.spread == "all"
    everything = everything or Need.CRITIC in CREDIT_RULES[recipe.credit.rule].needs
    onwards = recipe.credit.rule == "tree"
    rows, tokens, shared, sampled, longest = 0.0, 0.0, 0.0, 0.0, 0.0
    for tree, plan in zip(trees, plans, strict=True):
        whole, local = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
        for branch in plan.branches:
            (whole if branch.parent is None else local)[branch.first, branch.last] += 1
        for branch in tree.branches:
            earned = {reward.session for reward in branch.rewards if reward.questions}
            if branch.kind == "local":
                copies = sum(n for (first, _), n in local.items() if first == branch.fork_session)
                played = {turn.session for turn in branch.turns if onwards or turn.session == branch.fork_session}
                sessions = played if earned and recipe.credit.local_weight else set[int]()
            else:
                copies = sum(whole.values())
                sessions = {turn.session for turn in branch.turns} if everything and earned else set(earned)
            for turn in branch.turns:
                if turn.session in sessions and trained in ("all", turn.role):
                    prompt, reply = len(turn.prompt_ids), len(turn.ids)
                    weight = scale * copies
                    rows += weight
                    tokens += weight * (prompt + reply)
                    sampled += weight * reply
                    longest = max(longest, prompt + reply)
                    once = turn.role == "extractor" and not recipe.agents.history
                    together = max(1, (pack - prompt) // max(1, reply)) if once else 1
                    shared += weight * reply + prompt * math.ceil(weight / together)
    return RowWork(round(rows), tokens, shared, sampled, longest)
