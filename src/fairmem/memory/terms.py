"""Words of a text, as the lexical retriever and the hashed embedder see them: folded, stemmed, counted.

The stemmer is deliberately light (English plural, -ing, -ed, final -e): "lives", "lived", "living" and "live"
become one term, and words of other languages are hardly touched.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

_FUNCTION_WORDS = """
    a about after all also am an and any are as at be been before being but by can could did do does doing for from
    had has have having he her hers him his how i if in into is it its itself just let me my of on or our ours she
    should so some than that the their theirs them then there these they this those to too up us was we were what
    when where which who whom whose why will with would you your yours
    d ll m re s t ve
"""

STOP_WORDS = frozenset(_FUNCTION_WORDS.split())
"""English function words, and what an apostrophe leaves behind. Negations are not among them."""

_WORD = re.compile(r"\w+")
_MARK = re.compile(r"\w+|[^\w\s]")
_VOWEL = re.compile("[aeiouy]")


def words(text: str) -> list[str]:
    """The words of `text` in order, case-folded; compatibility forms (such as full width) are made plain."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _WORD.findall(text.casefold())


def count_marks(text: str) -> int:
    """Words and punctuation marks of `text`: the size of a text where no tokenizer is at hand."""
    return sum(1 for _ in _MARK.finditer(text))


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """`word` (case-folded) without English plural, -ing, -ed and final -e, where enough of it is left."""
    if not word.isascii() or len(word) < 3:
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    for ending in ("ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) > 1 and _VOWEL.search(rest) and not word.endswith("eed"):
            doubled = rest[-1] == rest[-2] and rest[-1] not in "aeioulsz"
            word = rest[:-1] if doubled else rest
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


@lru_cache(maxsize=65_536)
def term_counts(text: str) -> tuple[Mapping[str, int], int]:
    """Stem -> how often it occurs in `text`, stop words dropped, and the number of words counted."""
    counts = Counter(stem(word) for word in words(text) if word not in STOP_WORDS)
    return counts, counts.total()
