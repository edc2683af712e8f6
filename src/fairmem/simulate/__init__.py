"""A discrete-event model of one training step on many workers: where does the schedule stop scaling?

It plays what `episodes` plays (branches with their extractor calls side by side, manager calls one after the other,
forks that wait for a memory), with lengths drawn from measured ones, on workers whose speed was measured. It knows no
model and no text. What limits a step comes out of it: chains of calls that depend on each other, waves that wait for
their longest reply, workers that wait for rows, the one process that plays all branches, learning and the sending of
weights, which all workers wait for.

    worker    rows b in flight are decoded together, a token of each in `step + row * b` seconds; a prompt token costs
              `prefill`, distinct prompts of a batch once. `continuous`: rows join and leave at any time (vLLM; each
              progresses at the same rate). `batch`: what waits is taken together and runs to its end (token_server)
    client    one process handles replies one after the other, `client` seconds each
    waves     all branches wait until every reply of a wave is there; `streams`: each goes on with its own

Simplified: a prefill stalls the rows beside it; no network time; memory of a worker limits rows only; learning is data
parallel over all workers with no cost of communication but `sync`. Own event loop: a heap of moments.

records.py   what is simulated and what comes out
branches.py  the calls of a step and what they wait for
worker.py    one worker
play.py      the event loop, and where adding workers stops paying
"""

from __future__ import annotations

from fairmem.simulate.play import knee, play_step
from fairmem.simulate.records import Cluster, Discipline, Lengths, Outcome, Routing, Schedule, Times, Workload

__all__ = [
    "Cluster",
    "Discipline",
    "Lengths",
    "Outcome",
    "Routing",
    "Schedule",
    "Times",
    "Workload",
    "knee",
    "play_step",
]
