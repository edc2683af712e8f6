"""Makes the small model that ships with fairmem: tokenizer and weights from scratch, by imitation.

mixture.py      how the demonstrator errs, and what a stretch of training is made of
demonstrate.py  what is imitated, imperfect on purpose
packing.py      demonstrations to batches, one prompt prefix for several questions
base_model.py   the tokenizer and the untrained model
imitate.py      the loop, resumable
course.py       from nothing to the folder that ships
scores.py       how good it is on unseen names, values and phrasings
card.py         the model card
"""

from __future__ import annotations

from fairmem.pretrain.course import run
from fairmem.pretrain.demonstrate import Demonstrator
from fairmem.pretrain.mixture import Demonstration, Imperfection, Mixture
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
