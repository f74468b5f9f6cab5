"""Looking for what is wrong with training data: leaks, duplicates, broken files, bad masks.

`clean` only lists what it finds, each with a reason; `apply` carries it out on a list of
pictures, and honours what a person decided otherwise. No file is ever changed.
"""

from training.cleaning.apply import Overrides, apply, read_overrides
from training.cleaning.clean import clean
from training.cleaning.crowds import greyed
from training.cleaning.findings import Finding, Findings, read_findings, write_findings
from training.cleaning.settings import CleaningSettings

__all__ = [
    "CleaningSettings",
    "Finding",
    "Findings",
    "Overrides",
    "apply",
    "clean",
    "greyed",
    "read_findings",
    "read_overrides",
    "write_findings",
]
