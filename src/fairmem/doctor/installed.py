"""What is installed, read from package metadata; nothing is imported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from fairmem.doctor.finding import Finding
from fairmem.doctor.versions import satisfies
from fairmem.doctor.windows import CLASHES, NAMED, PINNED_TORCH, TESTED_TRANSFORMERS, WINDOWS, pip_lines

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?$")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w.-]+)['\"]")


class Requirement(NamedTuple):
    """A line of a package's requirements: name, window, extra it belongs to ("" for none), other conditions."""

    name: str
    window: str
    extra: str
    marker: str


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_requirement(line: str) -> Requirement | None:
    """The parts of `line`; None for one that names a file or an address."""
    found = _REQUIREMENT.match(line)
    if found is None or "@" in line.partition(";")[0]:
        return None
    marker = found[3] or ""
    extra = _EXTRA.search(marker)
    rest = _EXTRA.sub("", marker).replace("and", "").strip(" ()")
    return Requirement(canonical(found[1]), found[2].strip(), extra[1] if extra else "", rest)


def installed_versions() -> dict[str, str]:
    """Canonical name -> version of everything that is installed here."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:  # a broken left-over of an installation has none
            found.setdefault(canonical(name), distribution.version)
    return found


def requirements_of(package: str) -> list[Requirement]:
    """What `package` wants; none if it is not installed."""
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return []
    return [found for line in lines if (found := read_requirement(line)) is not None]


def package_findings(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Versions of the packages worth knowing, and what does not go together."""
    for name in NAMED:
        version = installed.get(canonical(name))
        if version is not None:
            yield Finding("package", "ok", f"{name} {version}")
    yield from _window_findings(installed)
    yield from _metadata_findings(installed)
    for clash in CLASHES:
        one, other = installed.get(canonical(clash.one)), installed.get(canonical(clash.other))
        if one and other and satisfies(one, clash.one_window) and satisfies(other, clash.other_window):
            yield Finding("versions", "error", f"{clash.one} {one} beside {clash.other} {other}: {clash.why}")
    transformers, (oldest, newest) = installed.get("transformers"), TESTED_TRANSFORMERS
    if transformers and not satisfies(transformers, f">={oldest},<={newest}"):
        yield Finding(
            "versions", "note", f"transformers {transformers}: fairmem was tried with {oldest} to {newest} only"
        )


def _window_findings(installed: Mapping[str, str]) -> Iterator[Finding]:
    for window in WINDOWS:
        holder = "fairmem" if window.holder == "fairmem" else installed.get(canonical(window.holder))
        have = installed.get(canonical(window.package))
        held = holder == "fairmem" or (holder and (not window.release or satisfies(holder, f"=={window.release}")))
        if held and have and not satisfies(have, window.window):
            yield _clash(
                f"{window.holder} {window.release}".strip(), window.package, window.window, have, window.source
            )


def _metadata_findings(installed: Mapping[str, str]) -> Iterator[Finding]:
    """What the installed packages themselves say, where the table does not."""
    known = {(canonical(window.holder), canonical(window.package)) for window in WINDOWS}
    for name in NAMED:
        holder = canonical(name)
        if holder not in installed:
            continue
        for need in requirements_of(name):
            have = installed.get(need.name)
            # A condition on Python or the system may not hold here; those of extras may not be wanted.
            if need.extra or need.marker or not have or (holder, need.name) in known:
                continue
            try:
                right = satisfies(have, need.window)
            except ValueError:
                continue
            if not right:
                yield _clash(f"{name} {installed[holder]}", need.name, need.window, have, "its metadata")


def _clash(holder: str, package: str, window: str, have: str, source: str) -> Finding:
    return Finding(
        "versions",
        "error",
        f"{holder} wants {package}{window}, found {have} ({source})",
        f"pip install '{package}{window}', or another environment for one of them",
    )


class Extra(NamedTuple):
    """An extra of fairmem: whether it is all there, what is missing or of a wrong version, and what installs it."""

    name: str
    ready: bool
    lacking: tuple[str, ...]
    lines: tuple[str, ...]


def installed_from() -> str:
    """Where fairmem was installed from: the folder of a checkout that is installed as editable, else `fairmem`."""
    try:
        text = metadata.distribution("fairmem").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return "fairmem"
    found = json.loads(text) if text else {}
    if found.get("dir_info", {}).get("editable") and str(found.get("url", "")).startswith("file://"):
        return unquote(urlsplit(str(found["url"])).path)
    return "fairmem"


def extras(installed: Mapping[str, str], gpus: int = 0) -> list[Extra]:
    """The extras of fairmem, as its metadata says."""
    source = installed_from()
    needs: dict[str, list[Requirement]] = {}
    for need in requirements_of("fairmem"):
        if need.extra:
            needs.setdefault(need.extra, []).append(need)
    found: list[Extra] = []
    for name, wanted in needs.items():
        lacking = [text for need in wanted if (text := _lack(need, installed)) is not None]
        found.append(Extra(name, not lacking, tuple(lacking), pip_lines(name, gpus, source)))
    return found


def _lack(need: Requirement, installed: Mapping[str, str]) -> str | None:
    have = installed.get(need.name)
    if have is None:
        return need.name
    return None if satisfies(have, need.window) else f"{need.name} {have} (wants {need.window})"


def torch_build(version: str) -> str:
    """`cpu`, or the CUDA (or ROCm) version that the installed torch was built for; "" if it does not say.

    Read from the file torch writes its version into, since importing torch takes seconds.
    """
    local = version.partition("+")[2]
    if local:
        return local
    try:
        files = metadata.files("torch") or []
    except metadata.PackageNotFoundError:
        return ""
    for file in files:
        if str(file) == "torch/version.py":
            text = Path(str(file.locate())).read_text(encoding="utf-8")
            found = re.search(r"^(cuda|hip)[^=]*= *'([^']+)'", text, re.MULTILINE)
            return f"{found[1]} {found[2]}" if found else "cpu"
    return ""


def torch_findings(installed: Mapping[str, str], gpus: int) -> Iterator[Finding]:
    """Whether torch is the tested one, and whether it can use the GPUs there are."""
    version = installed.get("torch")
    if version is None:
        return
    if not satisfies(version, f"=={PINNED_TORCH}"):
        yield Finding("torch", "note", f"torch {version}; the suite runs on {PINNED_TORCH} (constraints.txt)")
    build = torch_build(version)
    if gpus and build == "cpu":
        yield Finding(
            "torch",
            "error",
            f"torch {version} is a CPU build, but there are {gpus} GPUs",
            f"pip install --force-reinstall torch=={PINNED_TORCH} (from an index with CUDA builds)",
        )
    elif not gpus and build and build != "cpu":
        yield Finding("torch", "note", f"torch {version} is built for {build}, but no GPU is found")
