from __future__ import annotations

import pytest

from fairmem.doctor import satisfies, version_key


def test_versions_sort_by_their_numbers_and_not_as_text() -> None:
    assert version_key("5.10.4") > version_key("5.9.0") > version_key("5.5.3")
    assert version_key("2.13.0+cpu") == version_key("2.13") == version_key("v2.13.0")
    assert version_key("5.0rc1") < version_key("5.0") < version_key("5.0.post1") < version_key("5.0.1")


@pytest.mark.parametrize(
    ("version", "window", "inside"),
    [
        ("5.10.4", ">=5.5.3,!=5.6.0,<5.11", True),
        ("5.6.0", ">=5.5.3,!=5.6.0,<5.11", False),
        ("5.11.0", ">=5.5.3,!=5.6.0,<5.11", False),
        ("2.13.0+cpu", "==2.13.0", True),
        ("1.16.3", ">=1.16,<1.17", True),
        ("1.17.0", ">=1.16,<1.17", False),
        ("0.9.1", "==0.9.*", True),
        ("0.10.0", "==0.9.*", False),
        ("0.10.0", "!=0.9.*", True),
        ("2.5.1", "~=2.5", True),
        ("3.0", "~=2.5", False),
        ("2.5.9", "~=2.5.1", True),
        ("2.6", "~=2.5.1", False),
        ("6.0.0rc1", "<6", True),
        ("1.0", ">1.0", False),
        ("1.0", "<=1", True),
        ("anything 1", "", True),
    ],
)
def test_a_window_holds_what_it_should(version: str, window: str, inside: bool) -> None:
    assert satisfies(version, window) is inside


@pytest.mark.parametrize("bad", ["latest", ""])
def test_what_is_no_version_is_an_error(bad: str) -> None:
    with pytest.raises(ValueError, match="not a version"):
        version_key(bad)


def test_what_is_no_window_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a version clause"):
        satisfies("1.0", "about 1")
