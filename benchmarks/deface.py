"""The alternative that is measured beside us: deface, in an environment of its own.

deface (https://github.com/ORB-HD/deface) covers faces, not bodies, for everyone. Its
wheel carries its detector, CenterFace, so nothing else is downloaded.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.material import REPOSITORY

VERSION = "1.5.0"
ENVIRONMENT = REPOSITORY / ".venv-bench"


def deface() -> Path:
    """The `deface` command, installed on first use.

    Raises:
        subprocess.CalledProcessError: it can't be installed (no package index?).
    """
    command = ENVIRONMENT / "bin" / "deface"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "-qq"]
        subprocess.run([*pip, f"deface=={VERSION}"], check=True)
    return command
