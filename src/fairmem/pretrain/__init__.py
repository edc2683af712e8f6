"""Makes the small models that ship with fairmem: tokenizer and weights from scratch, by imitation.

demonstrate.py  what is imitated, imperfect on purpose
packing.py      demonstrations to batches, one prompt prefix for several questions
base_model.py   the tokenizer and the untrained model
imitate.py      the loop, resumable
course.py       base first, then the answerer that goes on from it
scores.py       how good it is on unseen names, values and phrasings
card.py         the model card
"""

from __future__ import annotations

from fairmem.pretrain.course import run
from fairmem.pretrain.demonstrate import Demonstration, Demonstrator, Imperfection, Mixture
from fairmem.pretrain.packing import Packed, Packer

__all__ = [
    "Demonstration",
    "Demonstrator",
    "Imperfection",
    "Mixture",
    "Packed",
    "Packer",
    "run",
]
