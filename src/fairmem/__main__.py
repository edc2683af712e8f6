"""`python -m fairmem` is `fairmem`."""

from __future__ import annotations

import sys

from fairmem.cli import main

if __name__ == "__main__":
    sys.exit(main())
