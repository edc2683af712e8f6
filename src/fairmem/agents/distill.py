"""Memory distillation: which of the entries an answerer was shown its own reply says it keeps.

Source: Memory-R1 (arXiv 2508.19828), answer agent: of 60 candidates, 30 per speaker, one generation first writes down
the memories it selects and then a short answer. Here a model that follows instructions lists numbers on a line
`Keep: 3, 17`; the compact answerer quotes what its answer rests on anyway, and the quotes are the list. Readers never
raise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fairmem.agents.parsing import outcome_of, snippet
from fairmem.agents.wording import compact_line, one_line, says_no_information
from fairmem.trace import ParseOutcome

_KEEP = re.compile(r"^[ \t*#]*keep(?:s|ing)?[ \t*]*:[ \t*]*([^\n]*)", re.IGNORECASE | re.MULTILINE)
_NUMBER = re.compile(r"[0-9]{1,6}")
_NONE = re.compile(r"\W*(?:none|nothing|no memory|no memories)?\W*", re.IGNORECASE)
_MARKED = re.compile(r"=([^=]*)=")
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Kept:
    """What one reply keeps.

    Attributes:
        places: Of the entries shown, from 0, each once, in the order of the reply.
        outcome: OK; EMPTY where it says that it keeps none; PARTIAL or NO_ITEMS where it names what was not shown;
            UNPARSABLE without a list; TRUNCATED where the list itself was cut.
        dropped: One reason per part of the list that could not be used.
    """

    places: tuple[int, ...]
    outcome: ParseOutcome
    dropped: tuple[str, ...] = ()


def read_keep_line(text: str, truncated: bool, shown: int) -> Kept:
    """Read the line `Keep: N, N` of a reply about entries numbered 1 to `shown`; of several such lines the first."""
    line = _KEEP.search(text)
    if line is None:
        return Kept((), outcome_of(truncated=truncated, formed=False, kept=0, dropped=0), ("no line 'Keep:'",))
    cut = truncated and "\n" not in text[line.end() :]
    listed = line[1]
    if cut:
        # The last number may be the beginning of a longer one.
        listed = listed[: max(listed.rfind(","), 0)]
    numbers = [int(number) for number in _NUMBER.findall(listed)]
    places = tuple(dict.fromkeys(number - 1 for number in numbers if 1 <= number <= shown))
    dropped = [f"no memory {number} among {shown}" for number in numbers if not 1 <= number <= shown]
    formed = bool(numbers) or _NONE.fullmatch(listed) is not None
    if not formed:
        dropped.append(f"neither numbers nor 'none': {snippet(one_line(listed))}")
    return Kept(
        places, outcome_of(truncated=cut, formed=formed, kept=len(places), dropped=len(dropped)), tuple(dropped)
    )


def read_quotes(text: str, truncated: bool, contents: Sequence[str]) -> Kept:
    """Read which of `contents` the first line of a compact answer quotes; marks `=` are no part of a quote.

    A part of the answer that stands behind its quote between marks (a date, yes or no) is not missed as a quote.
    """
    line = next((line for line in map(one_line, text.split("\n")) if line), "")
    cut = truncated and "\n" not in text.lstrip()
    if says_no_information(line.replace("=", "")):
        return Kept((), ParseOutcome.TRUNCATED if cut else ParseOutcome.EMPTY)
    plain, spare = _without_marks(line)
    found: dict[int, int] = {}
    # Longest first: one entry's words may be the beginning of another's.
    for place in sorted(range(len(contents)), key=lambda place: (-len(contents[place]), place)):
        quote = compact_line(contents[place].replace("=", " "))
        at = plain.find(quote) if quote else -1
        while at >= 0 and any(taken in found.values() for taken in range(at, at + len(quote))):
            at = plain.find(quote, at + 1)
        if at >= 0:
            found[place] = at
            plain = plain[:at] + "\0" * len(quote) + plain[at + len(quote) :]
    rest = "".join(char for at, char in enumerate(plain) if char != "\0" and at not in spare)
    dropped = (f"quotes no entry: {snippet(one_line(rest))}",) if _WORD.search(rest) else ()
    places = tuple(sorted(found, key=lambda place: found[place]))
    return Kept(places, outcome_of(truncated=cut, formed=bool(places), kept=len(places), dropped=len(dropped)), dropped)


def _without_marks(line: str) -> tuple[str, frozenset[int]]:
    """`line` without its marks, and the places in what is left that stood between two."""
    plain, spare, done = "", set[int](), 0
    for mark in _MARKED.finditer(line):
        plain += line[done : mark.start()].replace("=", "")
        spare |= set(range(len(plain), len(plain) + len(mark[1])))
        plain += mark[1]
        done = mark.end()
    return plain + line[done:].replace("=", ""), frozenset(spare)
