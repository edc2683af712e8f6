"""Files that change in one move: whoever reads one, or is killed while writing it, finds the old content or the new."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Generator[Path, None, None]:
    """A file beside `path` to write to, which takes its place when the block ends, and is deleted when it raises."""
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def replace_text(path: Path, text: str) -> None:
    """Make `text`, as UTF-8, the content of `path`."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
