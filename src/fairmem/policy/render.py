"""From messages to the text and the token ids a model reads.

A tokenizer with a chat template renders with it; one without gets the contents one after the other.
Simplified: text only, and the generation prompt is always added (a prompt never ends inside a reply).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fairmem.errors import ModelError, boundary
from fairmem.policy.base import Family, Message, Prompt

_WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")


def approximate_tokens(text: str) -> int:
    """Words plus punctuation marks of `text`: a stand-in where no tokenizer is at hand.

    English averages about 1.3 tokens of a usual 100k vocabulary per word, so expect it to be low by a fifth.
    """
    return len(_WORD_OR_MARK.findall(text))


def plain_text(prompt: Prompt) -> str:
    """The contents of `prompt`, one message after the other, with nothing in between."""
    return "".join(message.content for message in prompt)


class Renderer:
    """Renders prompts for one tokenizer.

    Attributes:
        options: Extra variables of the chat template, such as `{"enable_thinking": False}`.

    For the family `instruct` the text of a special token inside a message is broken with a space, so
    that no dialogue can end a message or open another role. Compact prompts are made of special tokens
    themselves; there the agents clean what they insert.
    """

    def __init__(self, tokenizer: Any, family: Family, options: Mapping[str, object] | None = None) -> None:
        self.options = dict(options or {})
        self._tokenizer = tokenizer
        self._chat = getattr(tokenizer, "chat_template", None) is not None
        special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
        alternatives = "|".join(re.escape(token) for token in sorted(special, key=len, reverse=True) if len(token) > 1)
        self._special = re.compile(alternatives) if alternatives and family == "instruct" else None

    def text(self, prompt: Prompt) -> str:
        """The prompt as one string, up to where the model goes on.

        Raises:
            ModelError: the chat template cannot render these messages (some know no system role).
        """
        messages = [Message(m.role, self._broken(m.content)) for m in prompt]
        if not self._chat:
            return plain_text(tuple(messages))
        with boundary(ModelError, f"the chat template cannot render roles {', '.join(m.role for m in messages)}"):
            return self._tokenizer.apply_chat_template(
                [{"role": m.role, "content": m.content} for m in messages],
                tokenize=False,
                add_generation_prompt=True,
                **self.options,
            )

    def ids(self, text: str) -> tuple[int, ...]:
        """Token ids of rendered `text`. A chat template writes its own special tokens, so none are added to it."""
        return tuple(self._tokenizer(text, add_special_tokens=not self._chat)["input_ids"])

    def offsets(self, text: str) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
        """`ids` of `text` with the (begin, end) of each token in it; a fast tokenizer only."""
        found = self._tokenizer(text, add_special_tokens=not self._chat, return_offsets_mapping=True)
        return tuple(found["input_ids"]), tuple((int(a), int(b)) for a, b in found["offset_mapping"])

    def _broken(self, content: str) -> str:
        if self._special is None:
            return content
        return self._special.sub(lambda match: f"{match[0][0]} {match[0][1:]}", content)
