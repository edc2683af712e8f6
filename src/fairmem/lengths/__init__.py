"""Length generalisation: a structured memory written over streams of up to a million tokens, and what that costs."""

from __future__ import annotations

from fairmem.lengths.measure import LengthSettings, measure_length
from fairmem.lengths.players import ModelPlayer, OraclePlayer, Player, open_player
from fairmem.lengths.plots import draw
from fairmem.lengths.report import report, run_lengths
from fairmem.lengths.stream import LongChunk, LongQuestion, LongStream

__all__ = [
    "LengthSettings",
    "LongChunk",
    "LongQuestion",
    "LongStream",
    "ModelPlayer",
    "OraclePlayer",
    "Player",
    "draw",
    "measure_length",
    "open_player",
    "report",
    "run_lengths",
]
