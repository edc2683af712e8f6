"""Datasets: loaders that turn files or a seed into `Conversation`s. Standard library and numpy only.

`load(name, path)` reaches every dataset of the table `DATASETS`; `locomo` also writes its own format.
"""

from fairmem.data.base import DATASETS, REFUSAL, DatasetSpec, Loader, load
from fairmem.data.chunking import split_session
from fairmem.data.identify import Identified, identify, present

__all__ = [
    "DATASETS",
    "DatasetSpec",
    "Identified",
    "Loader",
    "REFUSAL",
    "identify",
    "load",
    "present",
    "split_session",
]
