"""Replies to the compact prompts by a handful of rules, without any model.

Good enough to watch memories being written, updated and asked in a demo; it understands first-person
statements and word overlap, nothing else. What the prompts look like is laid down where agents render them.
"""

from __future__ import annotations

import re

from fairmem.policy.base import Prompt

_WORD = re.compile(r"[a-z0-9]+")
_FIRST_PERSON = (
    (re.compile(r"\bI'm\b|\bI am\b"), "{} is"),
    (re.compile(r"\bI've\b|\bI have\b"), "{} has"),
    (re.compile(r"\bI was\b"), "{} was"),
    (re.compile(r"\b[Mm]y\b"), "{}'s"),
    (re.compile(r"\bI\b"), "{}"),
)
_COMMON_WORDS = """
    a an and are at be by did do does for from go has have he her his how in is it many me of on s she that the
    their they this to was were what when where which who whose why will with
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_SAME_SUBJECT = 0.5
"""Share of words two facts have in common for one to be taken as news about the other."""


def reply_by_rules(prompt: Prompt, seed: int) -> str:
    """The reply to a compact extract, manage, write or answer prompt; else "none". `seed` changes nothing."""
    del seed
    lines = "".join(message.content for message in prompt).splitlines()
    for at, line in reversed(list(enumerate(lines))):
        if line.startswith("<extract>"):
            return _extract(lines[at + 1 :])
        if line.startswith("<write>"):
            return _write(lines[at + 1 :])
        if line.startswith("<manage>"):
            return _manage(lines[at + 1 :])
        if line.startswith("<answer>"):
            return _answer(lines[at + 1 :])
    return "none"


def _extract(lines: list[str]) -> str:
    """Each sentence in the first person, with the speaker's name in the place of the pronoun."""
    return "\n".join(f"{number} {fact}" for number, fact in _facts(lines, r"\d+")) or "none"


def _write(lines: list[str]) -> str:
    """INSERT into the semantic store of every such sentence that no entry says already."""
    known = {tuple(_words(text)) for line in lines for number, _, text in [line.partition(" ")] if number.isdecimal()}
    new = [(letter, fact) for letter, fact in _facts(lines, "[a-z]{1,3}") if tuple(_words(fact)) not in known]
    return "\n".join(f"{letter} INSERT semantic {fact}" for letter, fact in new) or "none"


def _facts(lines: list[str], key: str) -> list[tuple[str, str]]:
    """(key of the turn, sentence) for each first-person sentence of the turns, which open with a `key`."""
    facts: list[tuple[str, str]] = []
    for line in lines:
        if (turn := re.match(rf"({key}) ([^:]+): (.*)", line)) is None:
            continue
        number, speaker, text = turn.groups()
        for sentence in re.split(r"(?<=[.!?])\s+", text):
            told = sentence
            for pattern, replacement in _FIRST_PERSON:
                told = pattern.sub(replacement.format(speaker), told)
            if told != sentence and not sentence.endswith("?"):
                facts.append((number, f"{told.rstrip('.!')}."))
    return facts


def _manage(lines: list[str]) -> str:
    """NOOP for a fact that is known, UPDATE of the closest entry about the same thing, else INSERT."""
    entries: dict[str, str] = {}
    decisions: list[str] = []
    for line in lines:
        key, _, text = line.partition(" ")
        if key.isdecimal():
            entries[key] = text
        elif key.isalpha() and text:
            shares = {number: _share(text, entry) for number, entry in entries.items()}
            closest = max(shares, key=lambda number: shares[number], default=None)
            if closest is None or shares[closest] < _SAME_SUBJECT:
                decisions.append(f"{key} INSERT")
            elif _words(entries[closest]) == _words(text):
                decisions.append(f"{key} NOOP")
            else:
                decisions.append(f"{key} UPDATE {closest}")
    return "\n".join(decisions) or "none"


def _answer(lines: list[str]) -> str:
    """What the entry closest to the question says beyond it; its date where the question asks when."""
    asked = next((line.removeprefix("<question>") for line in lines if line.startswith("<question>")), "")
    topic = set(_words(asked)) - _COMMON
    best, dated, said = 0, "", ""
    for line in lines:
        text, bar, date = line.rpartition(" | ")
        common = len(topic & set(_words(text)))
        # Later entries are newer, so they win ties.
        if bar and not line.startswith("<") and common and common >= best:
            best, dated, said = common, date, text
    if not best:
        return "no information"
    if "when" in _words(asked):
        return dated.split(" > ")[-1]
    kept = [word for word in said.split() if not set(_words(word)) <= topic | _COMMON]
    return " ".join(kept).rstrip(".!") or said


def _words(text: str) -> list[str]:
    # "lives" and "live" are one word to a question.
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in _WORD.findall(text.lower())]


def _share(one: str, other: str) -> float:
    a, b = set(_words(one)), set(_words(other))
    return len(a & b) / len(a | b) if a | b else 0.0
