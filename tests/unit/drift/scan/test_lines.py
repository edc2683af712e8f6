from __future__ import annotations

from fairmem.drift.scan.lines import lines_of

TEXT = """{
  "tools": [
    {"name": "a"}, // the first
    {
      "name": "b",
      "in{put": {"a/b": [1,
        {"c": 2}]}
    }
  ]
}"""


def test_a_pointer_has_the_line_of_its_key_or_of_its_item() -> None:
    wanted = {
        "": 1,
        "/tools": 2,
        "/tools/0": 3,
        "/tools/0/name": 3,
        "/tools/1": 4,
        "/tools/1/in{put": 6,
        "/tools/1/in{put/a~1b": 6,
        "/tools/1/in{put/a~1b/1": 7,
        "/tools/1/in{put/a~1b/1/c": 7,
    }
    assert lines_of(TEXT, wanted.keys()) == wanted


def test_what_is_not_there_has_no_line() -> None:
    assert lines_of(TEXT, {"/tools/9", "/x"}) == {}
    assert lines_of("", {"/a"}) == {}


def test_a_broken_document_gives_the_lines_before_it_breaks() -> None:
    assert lines_of('{"a": 1,\n "b": ]]}} "', {"/a", "/b"}) == {"/a": 1, "/b": 2}
