"""`python -m training.export`: see `training.export`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bystander.config import read_config
from bystander.errors import BystanderError
from training.export import Exported, ExportSettings, export
from training.export.frames import frames_in


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.export")
    parser.add_argument("checkpoint", type=Path, help="Ultralytics' .pt of a YOLO11-seg")
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument(
        "--calibration", type=Path, required=True, metavar="PICTURES", help="int8 learns from them"
    )
    parser.add_argument(
        "--measuring", type=Path, required=True, metavar="PICTURES", help="others, for parity"
    )
    parser.add_argument("--settings", type=Path, help="a YAML file of ExportSettings")
    given = parser.parse_args(arguments)
    try:
        settings = (
            read_config(given.settings, ExportSettings) if given.settings else ExportSettings()
        )
        exported = export(
            given.checkpoint,
            given.folder,
            settings,
            frames_in(given.calibration),
            list(frames_in(given.measuring)),
        )
    except BystanderError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(table(exported))
    return 0


def table(exported: Exported) -> str:
    """The variants' sizes and what each loses against the checkpoint, as Markdown."""
    lines = [
        "| file | MB | scores differ by up to | people found | new | mask IoU |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for variant, path in (
        ("fp32", exported.fp32),
        ("fp16", exported.fp16),
        ("int8", exported.int8),
    ):
        parity = exported.parities[variant]["checkpoint"]
        lines.append(
            f"| {path.name} | {path.stat().st_size / 1e6:.1f} | {parity.scores.largest:.2g}"
            f" | {parity.people - parity.lost} of {parity.people} | {parity.new}"
            f" | {parity.mask_iou:.3f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
