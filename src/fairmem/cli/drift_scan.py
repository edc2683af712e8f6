"""`fairmem drift scan`: which tool parameters could a private memory move?"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmem.errors import ConfigError

if TYPE_CHECKING:
    from fairmem.drift.scan import Inventory, ScanReport, Severity

FORMATS = ("table", "json", "sarif", "html")
LEVELS = ("high", "medium", "low")


def register(actions: Any) -> None:
    """Add the action to `actions`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "scan",
        help="find tool parameters that a private memory could move",
        description="Read the schemas of MCP tools and list parameters that a private memory could move unnoticed.",
        epilog="Exit codes: 0 nothing at --fail-on or above, 1 findings, 2 wrong usage, 3 incomplete: a part of the "
        "input was not judged. Example: fairmem drift scan tools.json --format sarif --output drift.sarif",
    )
    add_input(parser)
    parser.add_argument("--format", choices=FORMATS, default="table", help="of the report (default: table)")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write the report there, not to standard output")
    parser.add_argument(
        "--threshold", choices=LEVELS, default="medium", help="least severity that is listed (default: medium)"
    )
    parser.add_argument("--fail-on", choices=LEVELS, help="least severity for exit code 1 (default: the --threshold)")
    parser.add_argument("--baseline", metavar="FILE", type=Path, help="findings in this file are known and not listed")
    parser.add_argument(
        "--write-baseline", metavar="FILE", type=Path, help="write the listed and the known findings there"
    )
    parser.set_defaults(run=run, interrupted=lambda _: "no report was made")


def add_input(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which tools are read."""
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        help="tools/list JSON, JSONL of tools, a client configuration, or - for standard input",
    )
    parser.add_argument("--url", metavar="URL", help="ask the MCP server at this address instead")
    parser.add_argument("--stdio", metavar="COMMAND", help="start this MCP server and ask it instead")
    parser.add_argument("--run-servers", action="store_true", help="start or contact the servers that PATH configures")
    parser.add_argument(
        "--timeout", metavar="S", type=float, default=30.0, help="seconds for each server (default: 30)"
    )


def load_input(args: argparse.Namespace) -> Inventory:
    """The inventory that the options of `add_input` name.

    Raises:
        ConfigError: none or more than one input is given.
        DataError: a file cannot be read.
    """
    from fairmem.drift import scan

    if sum(bool(one) for one in (args.path, args.url, args.stdio)) != 1:
        raise ConfigError("give one of: PATH, --url URL, --stdio COMMAND")
    if args.timeout <= 0:
        raise ConfigError(f"--timeout: found {args.timeout}, expected a positive number of seconds")
    if args.run_servers and not args.path:
        raise ConfigError("--run-servers needs the PATH of a client configuration")
    if args.url:
        return scan.load_url(args.url, timeout=args.timeout)
    if args.stdio:
        return scan.load_command(_words(args.stdio), timeout=args.timeout)
    if args.path == "-":
        return scan.load_text(sys.stdin.buffer.read().decode("utf-8-sig", errors="replace"), "stdin")
    if args.run_servers:
        return scan.load_running(Path(args.path), timeout=args.timeout)
    return scan.load_path(Path(args.path))


def run(args: argparse.Namespace) -> int:
    """Scan, write the report and say by the exit code what came out."""
    from fairmem.drift import scan

    threshold = scan.SEVERITIES[args.threshold]
    fail_on = scan.SEVERITIES[args.fail_on or args.threshold]
    known = scan.read_baseline(args.baseline) if args.baseline else frozenset[str]()
    for file in (args.output, args.write_baseline):
        if file is not None and not file.parent.is_dir():
            raise ConfigError(f"{file.parent}: no such folder")
    report = scan.scan(load_input(args), threshold=threshold, baseline=known)
    write: dict[str, Callable[[ScanReport], str]] = {
        "table": scan.to_table,
        "json": scan.to_json,
        "sarif": scan.to_sarif,
        "html": scan.to_page,
    }
    text = write[args.format](report)
    write_report(text, args.output)
    if args.write_baseline:
        write_report(scan.baseline_text(report), args.write_baseline)
    if args.output or args.format != "table":
        print(f"fairmem: {_outcome(report, fail_on)}", file=sys.stderr)
    return report.exit_code(fail_on)


def write_report(text: str, file: Path | None) -> None:
    """Write `text` to `file`, or to standard output if there is none.

    Raises:
        ConfigError: the file cannot be written.
    """
    if file is None:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from error


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"--stdio {command!r}: {error}") from error
    if not words:
        raise ConfigError("--stdio: found an empty command")
    return words


def _outcome(report: ScanReport, fail_on: Severity) -> str:
    """One line for standard error when standard output is not the table."""
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items())
    state = "complete" if report.complete else "INCOMPLETE"
    return f"{report.source}: {report.tools} tools, {counts}; {state}; exit code {report.exit_code(fail_on)}"
