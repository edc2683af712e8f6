"""Prompt templates: text files `<family>/<role>.md` with strict `{{variables}}`.

A template is split once, when it is first loaded; rendering joins strings. A variable that the code does
not give, or one the code gives and the file does not use, is a `ConfigError` at loading, so a typo in a
prompt cannot reach a model. A variable alone on its line takes its line with it when its value is empty.

A line `<!-- system -->` or `<!-- user -->` starts a message of that role; a file without one is a single
user message, used to the last character. Values are never expanded again: `{{x}}` in a value stays as it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from fairmem.errors import ConfigError
from fairmem.policy import Family, Message, Prompt
from fairmem.trace import Role

__all__ = ["FAMILIES", "PromptName", "PromptTemplate", "Template", "VARIABLES", "load_prompt"]

FAMILIES: tuple[Family, ...] = get_args(Family)
"""`instruct`: JSON contracts for instruction-tuned models; `compact`: line formats for small trained models."""

PromptName = Role | Literal["distiller"]
"""A role, or `distiller`: the answerer that first lists what it keeps (instruct only; a compact one quotes anyway)."""

VARIABLES: dict[tuple[Family, PromptName], frozenset[str]] = {
    ("compact", "extractor"): frozenset({"date", "turns"}),
    ("compact", "manager"): frozenset({"date", "entries", "facts"}),
    ("compact", "single"): frozenset({"date", "entries", "turns"}),
    ("compact", "writer"): frozenset({"date", "core", "semantic", "episodic", "turns"}),
    ("compact", "answerer"): frozenset({"entries", "question"}),
    ("compact", "tooluser"): frozenset({"memories", "task", "tools"}),
    ("instruct", "extractor"): frozenset({"date", "speakers", "earlier", "turns"}),
    ("instruct", "manager"): frozenset({"date", "speakers", "payload"}),
    ("instruct", "single"): frozenset({"date", "speakers", "memories", "turns"}),
    ("instruct", "writer"): frozenset(
        {"limit", "searching", "tools", "date", "speakers", "core", "semantic", "episodic", "turns"}
    ),
    ("instruct", "answerer"): frozenset({"memories", "question"}),
    ("instruct", "distiller"): frozenset({"memories", "question"}),
}
"""The variables the code gives to each template."""

_VARIABLE = re.compile(r"\{\{(\w+)\}\}")
_MESSAGE = re.compile(r"^<!-- (system|user) -->\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Template:
    """One text with variables, split at them. Build with `Template.compile`."""

    head: str
    slots: tuple[tuple[str, bool, str], ...]
    """(variable, whether it stands alone on its line, literal text after it)"""

    @classmethod
    def compile(cls, text: str) -> Template:
        """Split `text` at its `{{variables}}`."""
        pieces = _VARIABLE.split(text)
        slots: list[tuple[str, bool, str]] = []
        before = pieces[0]
        for name, after in zip(pieces[1::2], pieces[2::2], strict=True):
            alone = (before.endswith("\n") or (not before and not slots)) and after.startswith("\n")
            slots.append((name, alone, after[1:] if alone else after))
            before = after
        return cls(pieces[0], tuple(slots))

    @property
    def variables(self) -> frozenset[str]:
        """Names of the variables the text uses."""
        return frozenset(name for name, _, _ in self.slots)

    def render(self, values: Mapping[str, str]) -> str:
        """The text with each variable replaced by its value.

        Raises:
            KeyError: `values` lacks a variable (loading has compared the names already).
        """
        out = [self.head]
        for name, alone, after in self.slots:
            value = values[name]
            out.append(value)
            if alone and value:
                out.append("\n")
            out.append(after)
        return "".join(out)


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """The messages of one role's prompt, as templates, with the hash that identifies the file's wording."""

    messages: tuple[tuple[Literal["system", "user"], Template], ...]
    prompt_hash: str
    """SHA-256 of the file text, hexadecimal."""

    @classmethod
    def compile(cls, text: str, variables: frozenset[str], where: str) -> PromptTemplate:
        """Split `text` into messages and check that it uses exactly `variables`.

        Raises:
            ConfigError: a variable is undefined or unused; `where` names the file.
        """
        pieces = _MESSAGE.split(text)
        messages: list[tuple[Literal["system", "user"], Template]] = []
        if len(pieces) == 1:
            messages.append(("user", Template.compile(text)))
        else:
            for role, body in zip(pieces[1::2], pieces[2::2], strict=True):
                messages.append(("system" if role == "system" else "user", Template.compile(body.strip("\n"))))
        used = frozenset[str]().union(*(template.variables for _, template in messages))
        if used != variables:
            found = f"undefined {sorted(used - variables)}, unused {sorted(variables - used)}"
            raise ConfigError(f"{where}: prompt variables must be {sorted(variables)}; found {found}")
        return cls(tuple(messages), hashlib.sha256(text.encode()).hexdigest())

    def render(self, values: Mapping[str, str]) -> Prompt:
        """The messages with each variable replaced by its value."""
        return tuple(Message(role, template.render(values)) for role, template in self.messages)


@cache
def load_prompt(family: Family, role: PromptName) -> PromptTemplate:
    """The shipped prompt of `role` in `family`, read and checked once.

    Raises:
        ConfigError: no such family or role, or the file does not use exactly the variables of `VARIABLES`.
    """
    variables = VARIABLES.get((family, role))
    if variables is None:
        known = ", ".join(sorted({f"{f}/{r}" for f, r in VARIABLES}))
        raise ConfigError(f"no prompt '{family}/{role}'; expected one of {known}")
    text = files("fairmem.agents.prompts").joinpath(family, f"{role}.md").read_text(encoding="utf-8")
    return PromptTemplate.compile(text, variables, f"prompts/{family}/{role}.md")
