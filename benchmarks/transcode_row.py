"""The yardstick as a command: `python -m benchmarks.transcode_row SOURCE OUT`.

Decodes and encodes with what `bystander mask` uses by default, and masks nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.transcode import transcode
from bystander.choices import ProfileName
from bystander.settings import load_profile

if __name__ == "__main__":
    source, out = map(Path, sys.argv[1:])
    transcode(source, out, load_profile(ProfileName.BALANCED).encoder)
