"""PubMed RCT (Dernoncourt and Lee, 2017; arXiv 1710.06071): sentences of abstracts with their section, as labels.

An abstract begins with `###ID`; its lines are `LABEL<tab>sentence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fairmem.data.fields import read_text
from fairmem.data.labels import Example, label_streams
from fairmem.data.stream import chosen
from fairmem.errors import DataError
from fairmem.types import Conversation

_HINT = "PubMed RCT is at https://github.com/Franck-Dernoncourt/pubmed-rct (PubMed_20k_RCT/train.txt)"


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The streams of the file at `path`, `pubmed_rct#1` and so on.

    Raises:
        DataError: no such file, a line that is not of the form (named by number), or an unknown id.
    """
    examples: list[Example] = []
    for number, line in enumerate(read_text(path, _HINT).splitlines(), start=1):
        if not line.strip() or line.startswith("###"):
            continue
        label, tab, text = line.partition("\t")
        if not tab or not text.strip():
            raise DataError(f"{path}: line {number} should be 'LABEL<tab>sentence', found '{line[:60]}'")
        examples.append((text.strip(), label.strip()))
    return chosen(label_streams(examples, "pubmed_rct", path), conversations, path, "stream")


def looks_like(line: str) -> bool:
    """Whether a first line has the shape of this dataset."""
    return line.startswith("###") and line[3:].strip().isdigit()
