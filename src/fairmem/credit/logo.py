"""LoGo-GRPO: global credit over whole rollouts, and local credit over rerollouts of one session from one memory.

Source: Memory-R2 (arXiv 2605.21768). Global groups compare rollouts whose memories have drifted apart.
A local group compares R rerollouts of session t that all start from the same bank M_{t-1}, so their
rewards differ by what was done in session t alone. Both kinds are centred within their own group, and the
rows of both are learned from together:

    A_global[i, s] = centred over i of R_global[., s]
    A_local[m][j]  = centred over j of R_local[m],        row weight `local_weight` (1 in the paper)

With local weight 0 no local group is formed and the result is GRPO's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fairmem.credit.counterfactual_op import DecisionCredit
from fairmem.credit.diagnostics import CreditDiagnostics, GroupCounts
from fairmem.credit.group import DEFAULT_FLOOR, Bools, Floats, Scale, checked_rewards, group_centred
from fairmem.credit.grpo import grpo
from fairmem.credit.ppo import TrackCredit
from fairmem.errors import CreditError

LocalRewards = tuple[int, npt.ArrayLike]
"""(forked session, rewards of the R rerollouts; nan where missing)."""


@dataclass(frozen=True, slots=True)
class LogoCredit:
    """Credit of G global rollouts over S sessions and of each local group.

    Attributes:
        global_G_S: Advantages, shape [G, S]; 0 where not kept.
        global_kept_G_S: Which of them are credit.
        local: One array [R] per local group, in the order given; not multiplied by the weight. [R, H] credits the
            forked session and those after it, in columns.
        local_kept: Which of them are credit, same shapes.
        local_weight: Row weight of the local groups; global rows weigh 1.
        diagnostics: Groups formed and dropped.
        chunk_weights_G_S_K: Row weights of the global rows by chunk of the session; None weighs them 1.
        mixed: Whether global and local rollouts were compared with one another (a tree), not each among themselves.
        tracks_G: Credit turn by turn in place of session by session, one per rollout; None for all rules but `ppo`.
        decisions: Credit of each decision in place of session by session; None for all but `counterfactual_op`.
    """

    global_G_S: Floats
    global_kept_G_S: Bools
    local: tuple[Floats, ...]
    local_kept: tuple[Bools, ...]
    local_weight: float
    diagnostics: CreditDiagnostics
    chunk_weights_G_S_K: Floats | None = None
    mixed: bool = False
    tracks_G: tuple[TrackCredit, ...] | None = None
    decisions: DecisionCredit | None = None


def logo(
    global_rewards_G_S: npt.ArrayLike,
    local_rewards: Sequence[LocalRewards] = (),
    local_weight: float = 1.0,
    scale: Scale = "std",
    floor: float = DEFAULT_FLOOR,
) -> LogoCredit:
    """Global and local credit of one conversation's rollouts (equations in the module's text).

    Args:
        global_rewards_G_S: Shape [G, S]; `nan` where a session of a rollout was not scored.
        local_rewards: One (session, rewards_R) per shared memory state; group sizes may differ.
        local_weight: 0 or more; 0 gives GRPO.
        scale: See `fairmem.credit.group`; used within every group.
        floor: Smallest reward deviation of a group that is kept.

    Raises:
        CreditError: wrong ranks, infinite rewards, unknown scale, or a negative or infinite weight.
    """
    if not 0 <= local_weight < float("inf"):
        raise CreditError(f"local_weight must be 0 or more and finite, found {local_weight}")
    across = grpo(global_rewards_G_S, scale, floor)
    checked = [checked_rewards(rewards, f"local rewards of session {s}", ndim=1) for s, rewards in local_rewards]
    groups = [group_centred(rewards_R, scale, floor) for rewards_R in checked] if local_weight else []
    return LogoCredit(
        global_G_S=across.advantages_G_S,
        global_kept_G_S=across.kept_G_S,
        local=tuple(g.advantages for g in groups) or tuple(np.zeros_like(r) for r in checked),
        local_kept=tuple(g.kept for g in groups) or tuple(np.zeros(r.shape, dtype=np.bool_) for r in checked),
        local_weight=local_weight,
        diagnostics=CreditDiagnostics(across.diagnostics.global_groups, GroupCounts.of(groups)),
    )
