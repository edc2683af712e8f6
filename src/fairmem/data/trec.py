"""TREC question classification (Li and Roth, 2002): questions with the class of what they ask for, as a label stream.

A line is `COARSE:fine question`; the label is the coarse class (six of them). The files are Latin-1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fairmem.data.fields import read_text
from fairmem.data.labels import Example, label_streams
from fairmem.data.stream import chosen
from fairmem.errors import DataError
from fairmem.types import Conversation

CLASSES = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
_HINT = "TREC is at https://cogcomp.seas.upenn.edu/Data/QA/QC (train_5500.label, TREC_10.label)"


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The streams of the file at `path`, `trec#1` and so on.

    Raises:
        DataError: no such file, a line that is not of the form (named by number), or an unknown id.
    """
    examples: list[Example] = []
    for number, line in enumerate(read_text(path, _HINT, "latin-1").splitlines(), start=1):
        if line.strip():
            label, _, text = line.strip().partition(" ")
            coarse = label.partition(":")[0]
            if coarse not in CLASSES or not text:
                raise DataError(f"{path}: line {number} should be like 'NUM:date When ...?', found '{line[:60]}'")
            examples.append((text.strip(), coarse))
    return chosen(label_streams(examples, "trec", path), conversations, path, "stream")


def looks_like(line: str) -> bool:
    """Whether a first line has the shape of this dataset."""
    return line.partition(":")[0] in CLASSES and " " in line
