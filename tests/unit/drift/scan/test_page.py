from __future__ import annotations

from html.parser import HTMLParser

from fairmem.drift.scan import Inventory, Severity, scan, to_page, to_table
from tests.unit.drift.scan.cases import BOOLEAN, NUMBER, scanned, tool

EVIL = "<script>alert(1)</script>\x1b[31m\ud800"
REPORT = scanned(tool("push_files", {"force": BOOLEAN, EVIL + "_force": BOOLEAN, "limit": NUMBER}, server=EVIL))
_VOID = {"meta", "br", "img", "link"}


class _Structure(HTMLParser):
    """Collects tags and checks that they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.outside += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_one_file_that_nests_and_loads_nothing() -> None:
    structure = _Structure()
    structure.feed(to_page(REPORT))
    assert structure.open == []
    assert structure.outside == [] and "script" not in structure.seen
    assert {"main", "table", "h1", "style"} <= structure.seen


def test_texts_of_tools_are_escaped_and_have_an_encoding() -> None:
    page = to_page(REPORT).encode("utf-8").decode()
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_the_table_lists_findings_and_keeps_a_terminal_safe() -> None:
    table = to_table(REPORT)
    assert "\x1b" not in table and "\ud800" not in table
    assert "3 candidate findings: 2 high, 0 medium, 1 low; in 1 tools of 1 servers, 3 parameters." in table
    assert "1 below 'medium' are counted, not listed (--threshold)." in table
    assert "push_files" in table and "MDS001" in table and "MDS008" not in table


def test_an_incomplete_scan_says_so_first_in_both() -> None:
    empty = scan(Inventory("f", (), ()))
    assert to_table(empty).splitlines()[1].startswith("INCOMPLETE: 1 parts of the input were not judged")
    assert "INCOMPLETE" in to_page(empty)


def test_a_clean_scan_has_counts_and_no_findings() -> None:
    clean = scanned(tool("get_user", {"id": {"type": "string"}}), threshold=Severity.LOW)
    assert "0 candidate findings" in to_table(clean) and "INCOMPLETE" not in to_table(clean)
    assert "By rule" in to_page(clean)
