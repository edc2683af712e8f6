"""`python -m fairmem` is `fairmem`."""

from __future__ import annotations

from fairmem.cli import console

if __name__ == "__main__":
    console()
