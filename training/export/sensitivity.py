"""Which parts of a network int8 harms: each part alone quantised, and all parts but it.

    python -m training.export.sensitivity FP32.onnx --calibration PICTURES --measuring PICTURES

The figures behind the default of `QuantiseSettings.kept_float`. Choose by other pictures
than those that the result is reported on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from bystander.errors import BystanderError
from bystander.geometry.types import Rgb
from bystander.models.sessions import open_session
from training.export import ParitySettings
from training.export.frames import frames_in
from training.export.parity import Parity, compare
from training.export.quantise import GROUPS, Group, QuantiseSettings, quantise


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What int8 does to one part.

    Attributes:
        group: the part.
        alone: with only this part in int8.
        spared: with only this part and the decoding in float.
    """

    group: Group
    alone: Parity
    spared: Parity


def sensitivities(
    network: onnx.ModelProto,
    calibration: Sequence[Rgb],
    measuring: Sequence[Rgb],
    confidence: float,
) -> Iterator[Sensitivity]:
    """One measurement per part of `network` (float32), each against `network` itself.

    The decoding is never quantised: box sides of hundreds of pixels and scores below 1
    share one tensor there, so in 256 steps no score is left (measured: nobody is found).

    Args:
        calibration, measuring: frames without a common one, uint8 [H, W, 3] RGB.
        confidence: least score of a person.
    """
    groups = [group for group in GROUPS if group != "decoding"]
    with tempfile.TemporaryDirectory(prefix="bystander-sensitivity-") as scratch:
        folder = Path(scratch)
        original = folder / "original.onnx"
        onnx.save(network, original)

        def measure(kept: Sequence[Group]) -> Parity:
            settings = QuantiseSettings(kept_float=("decoding", *kept), frames=len(calibration))
            path = folder / "int8.onnx"
            onnx.save(quantise(network, calibration, settings, folder / "ranges.json"), path)
            sessions = open_session(original), open_session(path)
            return compare(*sessions, measuring, confidence)

        for group in groups:
            others = [other for other in groups if other != group]
            yield Sensitivity(group, alone=measure(others), spared=measure([group]))


def row(sensitivity: Sensitivity) -> str:
    """One line of the Markdown table."""
    cells = [
        f"{parity.recall:.3f} | {parity.new} | {parity.mask_iou:.3f}"
        for parity in (sensitivity.alone, sensitivity.spared)
    ]
    return f"| {sensitivity.group} | {' | '.join(cells)} |"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.export.sensitivity")
    parser.add_argument("network", type=Path, help="a float32 export")
    parser.add_argument("--calibration", type=Path, required=True, metavar="PICTURES")
    parser.add_argument("--measuring", type=Path, required=True, metavar="PICTURES")
    given = parser.parse_args(arguments)
    try:
        network = _read(given.network)
        calibration, measuring = (
            list(frames_in(given.calibration)),
            list(frames_in(given.measuring)),
        )
        print("| part | alone: recall | new | mask IoU | spared: recall | new | mask IoU |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        confidence = ParitySettings().confidence
        for sensitivity in sensitivities(network, calibration, measuring, confidence):
            print(row(sensitivity), flush=True)
    except BystanderError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _read(path: Path) -> onnx.ModelProto:
    open_session(path)  # which says what is wrong with a file that is no network
    return onnx.load(path)


if __name__ == "__main__":
    sys.exit(main())
