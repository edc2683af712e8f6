"""Learning labels from a stream: examples read out with their label, then other texts to be labelled.

Labels are numbers, given in the order of the labels' names, so that nothing but the examples says what they mean. The
answer has to be the number alone (`kind` of the source; scored by `label_match`). Evidence are the examples that have
the label that is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fairmem.data.stream import Piece, conversation, make_stream
from fairmem.errors import DataError
from fairmem.types import Conversation, Question

Example = tuple[str, str]
"""(text, label)."""


def label_streams(
    examples: Sequence[Example], source: str, path: Path, taught: int = 200, asked: int = 100
) -> dict[str, Conversation]:
    """Streams `SOURCE#1` ... of at most `taught` examples and `asked` others each; every example is in one stream only.

    Raises:
        DataError: fewer than two examples, or fewer than two labels.
    """
    if len(examples) < 2 or len({label for _, label in examples}) < 2:
        raise DataError(f"{path}: expected examples of at least two labels, found {len(examples)} examples")
    number = {label: str(at) for at, label in enumerate(sorted({label for _, label in examples}))}
    found: dict[str, Conversation] = {}
    # A text that occurs twice would be taught and asked.
    unique = list({text: (text, label) for text, label in examples}.values())
    for start in range(0, len(unique), taught + asked):
        block = unique[start : start + taught + asked]
        split = min(taught, max(1, len(block) * 2 // 3))
        if len(block) < 2:
            break
        name = f"{source}#{len(found) + 1}"
        stream = make_stream(
            Piece(number[label], f"{json.dumps(text, ensure_ascii=False)} has label {number[label]}.")
            for text, label in block[:split]
        )
        questions = [
            Question(
                f"{name}:q{at}",
                f"Which label has {json.dumps(text, ensure_ascii=False)}? Answer with the number alone.",
                number[label],
                "open_domain",
                stream.evidence([number[label]]),
                stream.sessions[-1].index,
                kind=source,
            )
            for at, (text, label) in enumerate(block[split:], start=1)
        ]
        found[name] = conversation(name, stream, questions)
    return found
