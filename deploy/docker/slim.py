"""Takes out of an image's environment what nothing in the image opens, after pip.

    python slim.py service /opt/bystander

Every row says why it isn't needed. A row that finds nothing ends the build, so that none stays
when its package has changed. `make images` masks a video with what is left, and
tests/deploy/test_slim.py holds that no code of the image imports what was taken out.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PACKAGES: Final = "lib/python3*/site-packages"
SERVICE: Final = {
    # The program ffmpeg (173 MB): tests and benchmarks run it, the library uses PyAV.
    f"{PACKAGES}/imageio_ffmpeg*": "the program ffmpeg",
    f"{PACKAGES}/ffmpeg*": "ffmpeg-python, which writes its command lines",
    # dlib's other models: dlib_pack.py loads the ResNet alone.
    f"{PACKAGES}/face_recognition_models/models/shape_predictor_*.dat": "dlib's landmarks",
    f"{PACKAGES}/face_recognition_models/models/mmod_*.dat": "dlib's CNN detector",
    f"{PACKAGES}/onnx/backend/test/data": "onnx's test data",
    f"{PACKAGES}/scipy/**/tests": "SciPy's tests",
    f"{PACKAGES}/networkx/**/tests": "networkx's tests",
    # Of OpenVINO (186 MB) networks in ONNX on a processor need 103.
    f"{PACKAGES}/openvino/libs/libopenvino_intel_[gn]pu_plugin.so": "OpenVINO's plugins for GPUs",
    f"{PACKAGES}/openvino/libs/cache.json": "kernels' settings of its GPU plugin",
    f"{PACKAGES}/openvino/libs/libopenvino_[!io]*_frontend.so*": "its readers of all but ONNX",
    f"{PACKAGES}/openvino/frontend/[!_of]*": "the same in Python",
    f"{PACKAGES}/openvino/include": "its headers",
    f"{PACKAGES}/openvino_telemetry*": "its report to its maker, switched off anyway",
    # Of Ray (202 MB) tasks, actors and the dashboard stay.
    f"{PACKAGES}/ray/jars": "Ray for Java",
    f"{PACKAGES}/ray/rllib": "its reinforcement learning",
    f"{PACKAGES}/ray/llm": "its language models",
    f"{PACKAGES}/ray/dashboard/client/build/**/*.map": "maps of its dashboard's scripts",
    f"{PACKAGES}/py_spy*": "its profiler, which needs rights that no container has",
    "bin/py-spy": "the same, as a program",
}
APP: Final = {
    # Streamlit opens these for tables and charts only, of which the app shows none.
    f"{PACKAGES}/pyarrow*": "pyarrow",
    f"{PACKAGES}/pandas*": "pandas",
    f"{PACKAGES}/pydeck*": "pydeck",
    "share/jupyter": "pydeck again, for notebooks",
    f"{PACKAGES}/altair*": "altair",
    f"{PACKAGES}/narwhals*": "narwhals, of altair alone",
    f"{PACKAGES}/streamlit/hello": "Streamlit's demonstration",
}
IMAGES: Final = {"service": SERVICE, "app": APP}


def left_out(image: str, environment: Path) -> Iterator[tuple[str, list[Path]]]:
    """What goes: a row's name, and the files and folders it means.

    Raises:
        LookupError: a row finds nothing.
    """
    for pattern, name in IMAGES[image].items():
        found = sorted(environment.glob(pattern))
        if not found:
            raise LookupError(f"{image}: there is no {pattern} ({name}) in {environment}")
        yield name, found


def main(image: str, environment: Path) -> None:
    """Remove it, and say how much it was."""
    for name, found in left_out(image, environment):
        size_bytes = 0
        for path in found:
            if not path.exists():  # went with the folder that it lay in
                continue
            files = [path, *path.rglob("*")]
            size_bytes += sum(f.lstat().st_size for f in files if not f.is_dir())
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        print(f"{size_bytes / 1e6:6.1f} MB less: {name}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
