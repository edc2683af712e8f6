"""The command line: one file per command, each of which imports its target only when it runs.

Exit codes: 0 done, 2 bad input (one line on standard error), 130 interrupted (one line saying what was kept).

Add a command: a file here with `register(commands)`, and its module in `_COMMANDS`.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from fairmem import __version__
from fairmem.cli import (
    compare,
    data,
    demo,
    doctor,
    drift,
    evaluate,
    judge,
    lab,
    lengths,
    plan,
    pretrain,
    report,
    reproduce,
    seeds,
    train,
)
from fairmem.errors import FairmemError

_INTERRUPTED = 130
_CALLING = ("fairmem-eval", "fairmem-openai")
"""Names of the threads that wait for an endpoint."""
_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE)

__all__ = ["build_parser", "console", "main", "parse"]

_COMMANDS = (
    train,
    seeds,
    reproduce,
    evaluate,
    judge,
    compare,
    report,
    lab,
    lengths,
    demo,
    data,
    pretrain,
    plan,
    doctor,
    drift,
)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"fairmem: error: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command. A parsed command has `run(args) -> int` and `interrupted(args) -> str`."""
    parser = _Parser(prog="fairmem", description="Train, evaluate and audit the memory of LLM agents.")
    parser.add_argument("--version", action="version", version=f"fairmem {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in _COMMANDS:
        module.register(commands)
    return parser


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse a command line; exits with code 2 and one line if it is wrong."""
    parser = build_parser()
    args, rest = parser.parse_known_args(argv)
    # argparse takes positionals in one place only, and `train RECIPE a=1 --name x b=2` should work.
    if rest and hasattr(args, "overrides") and all("=" in word and not word.startswith("-") for word in rest):
        args.overrides += rest
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return args


def console() -> NoReturn:
    """The `fairmem` command: `main`, without waiting for calls that hang at an endpoint after Ctrl-C.

    Python would wait for their threads: minutes, where an endpoint does not answer. All that was answered is on disk.
    """
    code = main()
    if code == _INTERRUPTED and any(thread.name.startswith(_CALLING) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = parse(argv)
    try:
        return args.run(args)
    except FairmemError as error:
        print(f"fairmem: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nfairmem: interrupted; {args.interrupted(args)}", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # `fairmem demo | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        # A folder that cannot be written or a full disk is the machine's affair; any other is a fault of ours.
        if error.filename is None and error.errno not in _MACHINE:
            raise
        place = f"{error.filename}: " if error.filename is not None else ""
        print(f"fairmem: error: {place}{error.strerror or error}", file=sys.stderr)
        return 2
