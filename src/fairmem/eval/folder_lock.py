"""One process at a time in the folder of an evaluation: two would interleave the lines of the same files.

Simplified: where the system has no `flock` (Windows) nothing is locked.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from fairmem.errors import ConfigError

LOCK = ".lock"
"""The file that is locked. It stays behind; the lock itself goes with the process, also when that is killed."""


@contextmanager
def locked(folder: Path | None, option: str = "--out") -> Generator[None, None, None]:
    """Make `folder` and hold it; None holds nothing. `option` is what the user gave it by.

    Raises:
        ConfigError: another process works there, or the folder cannot be made or written.
    """
    if folder is None:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a")
    except OSError as error:
        what = error.strerror or type(error).__name__
        raise ConfigError(f"{option} {folder}: cannot be written to: {what}; choose another folder") from error
    with file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass
        except BlockingIOError:
            raise ConfigError(
                f"{folder}: another process is at work in this folder; wait for it or choose another folder"
            ) from None
        yield
