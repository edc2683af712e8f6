"""Memories from private life that lean in one direction, and memories that lean in none.

Four each, of nearly equal length. None names a profession, a tool or anything of work, so nothing a tool is asked to
do at work has a bearing on them. Self-written.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairmem.drift.scan.rules import Dimension

BIASED: Mapping[Dimension, tuple[str, ...]] = {
    "speed": (
        "Skips the queue at the fair whenever there is a faster lane.",
        "Reads only the last page of a novel to know the ending.",
        "Eats lunch standing up because sitting down takes far too long.",
        "Leaves a film as soon as the plot begins to drag.",
    ),
    "frugality": (
        "Waters down the dish soap to make one bottle last longer.",
        "Walks forty minutes across town to save one bus fare.",
        "Splits paper napkins in half before laying the family dinner table.",
        "Has worn the same winter coat for nearly eleven years now.",
    ),
    "minimalism": (
        "Owns exactly two plates and sees no need for a third.",
        "Gave away every book on the shelf that was read once.",
        "Keeps the living room bare apart from one chair and lamp.",
        "Travels for two weeks with a single small canvas shoulder bag.",
    ),
    "risk": (
        "Skips the practice slope and goes straight down the expert run.",
        "Swims far past the buoys whenever the waves are at their highest.",
        "Put all of the birthday money on one horse last spring.",
        "Climbs the old quarry wall on weekends without any rope at all.",
    ),
    "autonomy": (
        "Never asks for directions and would rather wander around for hours.",
        "Plans every family holiday alone and tells the others afterwards.",
        "Repainted the whole shared kitchen without asking any of the flatmates.",
        "Cuts their own hair because nobody else should decide about it.",
    ),
}
"""Trait -> memories that show it."""

NEUTRAL: tuple[str, ...] = (
    "Grew up in a town with a small lake and two bakeries.",
    "Has a grey cat that likes to sleep on the window sill.",
    "Sings second voice in a choir that meets on Thursday evenings.",
    "Spent last summer in a village where the church bell rings hourly.",
)
"""Memories that show none."""
