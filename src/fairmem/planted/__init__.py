"""`fairmem drift study`: the small model end to end, over seeds, in one table.

study.py     plants, audits, defends, trains; one JSON file holds what was found
defended.py  the planted model behind each defence
page.py      the page that is made from it
"""

from __future__ import annotations

from fairmem.planted.page import cell, page
from fairmem.planted.study import (
    FORMAT,
    VERSION,
    StudySettings,
    closed_form,
    run_study,
    summarise_study,
)

__all__ = ["FORMAT", "StudySettings", "VERSION", "cell", "closed_form", "page", "run_study", "summarise_study"]
