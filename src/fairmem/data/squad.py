"""SQuAD (Rajpurkar et al., 2016; arXiv 1606.05250), versions 1.1 and 2.0: an article read out, then its questions.

One article is one stream; a paragraph is a piece, and the evidence of its questions. Questions without an answer (2.0)
are left out, and of the others at most `QUESTIONS` are kept, spread over the article. The score is whether the answer
occurs (`kind` squad). Mem-alpha also leaves out what a model answers without reading; that needs a model and is not
done here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from fairmem.data.fields import Record, get, objects, read_json
from fairmem.data.stream import Piece, chosen, conversation, make_stream
from fairmem.types import Conversation, Question

QUESTIONS = 100
_HINT = "SQuAD is at https://rajpurkar.github.io/SQuAD-explorer (train-v2.0.json, dev-v2.0.json)"


def load(path: Path, conversations: Sequence[str] | None = None) -> list[Conversation]:
    """The articles of the file at `path`, in file order.

    Raises:
        DataError: no such file, not of the schema (the article is named), or an unknown id.
    """
    content: Any = read_json(path, _HINT)
    found: dict[str, Conversation] = {}
    articles = objects({"content": content} if isinstance(content, list) else content, *_key(content), str(path))
    for number, article in enumerate(articles, start=1):
        talk = _article(article, f"{path}: article {number}")
        if talk.questions:
            found[talk.id] = talk
    return chosen(found, conversations, path, "article with questions")


def _key(content: Any) -> tuple[str]:
    return ("content",) if isinstance(content, list) else ("data",)


def _article(article: Record, place: str) -> Conversation:
    title: str = get(article, "title", str, place)
    paragraphs = objects(article, "paragraphs", place)
    stream = make_stream(
        Piece(str(at), get(paragraph, "context", str, place)) for at, paragraph in enumerate(paragraphs)
    )
    last = stream.sessions[-1].index if stream.sessions else 1
    questions: list[Question] = []
    for at, paragraph in enumerate(paragraphs):
        for asked in objects(paragraph, "qas", place):
            texts = [str(get(a, "text", str, place)) for a in objects(asked, "answers", place)]
            if not texts:
                continue
            questions.append(
                Question(
                    str(get(asked, "id", str, place)),
                    get(asked, "question", str, place),
                    texts[0],
                    "single_hop",
                    stream.evidence([str(at)]),
                    last,
                    kind="squad",
                    alternatives=tuple(dict.fromkeys(text for text in texts[1:] if text != texts[0])),
                )
            )
    step = max(1, -(-len(questions) // QUESTIONS))
    return conversation(f"squad:{title}", stream, questions[::step])


def looks_like(content: Any) -> bool:
    """Whether parsed JSON has the shape of this dataset."""
    data: Any = cast("Record", content).get("data") if isinstance(content, dict) else None
    first: Any = cast("list[Any]", data)[0] if isinstance(data, list) and data else None
    return isinstance(first, dict) and "paragraphs" in first
