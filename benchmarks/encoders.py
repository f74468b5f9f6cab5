"""masked clips -> table of encoders: size, quality and time of each preset and rate factor.

    python -m benchmarks.encoders [--clips opera,interview,hamilton] [--frames 60] [-o FOLDER]

Each clip is analysed once and rendered once without loss, everyone blurred. Those pictures are
encoded with every setting. Processor time is that of encoding alone; quality is that of FFmpeg's
libvmaf against the pictures that went in (VMAF, PSNR of luma, SSIM). Sizes at the quality of x264's
`fast` at 20 are interpolated between the rate factors.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Final, Literal

import imageio_ffmpeg
import numpy as np

from benchmarks.material import Clip, use_shared_models
from bystander.choices import Codec
from bystander.media.encoder import EncoderPreset, EncoderSettings
from bystander.media.muxer import VideoWriter
from bystander.media.probe import probe
from bystander.media.reader import Frame, VideoReader
from bystander.pipeline.analyze import analyze
from bystander.pipeline.render import render
from bystander.timeline.archive import Timeline

LOSSLESS: Final = EncoderSettings(codec=Codec.H264, preset="ultrafast", crf=0)
PRESETS: Final[dict[Codec, tuple[EncoderPreset, ...]]] = {
    Codec.H264: ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium"),
    Codec.HEVC: ("veryfast", "fast", "medium", "slow"),
    Codec.AV1: ("veryfast", "faster", "fast", "medium"),
}
"""By the names of `EncoderSettings`: x265 and SVT-AV1 take theirs of about the same speed."""
RATE_FACTORS: Final = {
    Codec.H264: (17, 20, 23),
    Codec.HEVC: (17, 20, 23),
    Codec.AV1: (20, 27, 34),
}
YARDSTICK: Final = (Codec.H264, "fast", 20)
"""What the others are compared with."""
Measure = Literal["vmaf", "psnr"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """What one setting makes of one clip.

    Attributes:
        bits: of the video, a pixel.
        cpu_ms: milliseconds of processor time a megapixel, all threads together; the best run.
        vmaf: 0 to 100, mean over the frames.
        psnr: of luma, dB, mean over the frames.
        ssim: mean over the frames.
    """

    clip: str
    codec: Codec
    preset: EncoderPreset
    crf: int
    bits: float
    cpu_ms: float
    vmaf: float
    psnr: float
    ssim: float


def masked(clip: Clip, folder: Path, count: int) -> Path:
    """The clip's first `count` frames with everyone blurred, without loss."""
    source, output = folder / f"{clip.name}.mp4", folder / f"{clip.name}-masked.mp4"
    if output.exists():
        return output
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(clip.video)]
    command += ["-an", "-frames:v", str(count), "-c", "copy", str(source)]
    subprocess.run(command, check=True)
    timeline: Timeline = analyze(source, folder / f"{clip.name}.timeline")
    render(source, timeline, output, encoder=LOSSLESS)
    return output


def encode(frames: Sequence[Frame], reference: Path, settings: EncoderSettings, out: Path) -> float:
    """Encode pictures that are in memory; seconds of processor time."""
    info = probe(reference)
    started = time.process_time()
    with VideoWriter(out, info, reference, settings, overwrite=True) as writer:
        for frame in frames:
            writer.write(frame.upright(writer.pixel_format), frame.pts, frame.duration)
    return time.process_time() - started


def quality(reference: Path, out: Path, folder: Path) -> tuple[float, float, float]:
    """VMAF, PSNR of luma in dB, and SSIM of `out`, means over its frames."""
    log = folder / "quality.json"
    counted = "setpts=N/25/TB"  # frame by frame, whatever the clocks
    measured = "libvmaf=feature=name=psnr|name=float_ssim:n_threads=1:log_fmt=json"
    graph = f"[0:v]{counted}[out];[1:v]{counted}[ref];[out][ref]{measured}:log_path={log}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(out)]
    command += ["-i", str(reference), "-lavfi", graph, "-f", "null", "-"]
    subprocess.run(command, check=True)
    pooled = json.loads(log.read_text())["pooled_metrics"]
    vmaf, psnr, ssim = (pooled[name]["mean"] for name in ("vmaf", "psnr_y", "float_ssim"))
    return vmaf, psnr, ssim


def measure(clip: Clip, folder: Path, count: int, repeats: int) -> Iterator[Encoded]:
    """Every setting on one clip, of which the masked pictures are held in memory."""
    reference = masked(clip, folder, count)
    info = probe(reference)
    with VideoReader(reference, info) as reader:
        frames = list(islice(reader, count))
    out = folder / "out.mp4"
    megapixels = info.width * info.height * len(frames) / 1e6
    for codec, presets in PRESETS.items():
        for preset in presets:
            for crf in RATE_FACTORS[codec]:
                settings = EncoderSettings(codec=codec, preset=preset, crf=crf)
                seconds = min(encode(frames, reference, settings, out) for _ in range(repeats))
                bits = out.stat().st_size * 8 / 1e6 / megapixels
                found = quality(reference, out, folder)
                cpu_ms = seconds * 1e3 / megapixels
                yield Encoded(clip.name, codec, preset, crf, bits, cpu_ms, *found)


def bits_at(runs: Sequence[Encoded], measure: Measure, value: float) -> float:
    """Bits a pixel that one preset takes for a quality, from its rate factors.

    The logarithm of the size is interpolated between two of them, or goes on from the outer two.
    """
    ordered = sorted(runs, key=lambda run: getattr(run, measure))
    qualities = [getattr(run, measure) for run in ordered]
    sizes = np.log([run.bits for run in ordered])
    at = min(max(int(np.searchsorted(qualities, value)), 1), len(ordered) - 1)
    share = (value - qualities[at - 1]) / (qualities[at] - qualities[at - 1])
    return float(np.exp(sizes[at - 1] + share * (sizes[at] - sizes[at - 1])))


def relative_size(found: Sequence[Encoded], runs: Sequence[Encoded], measure: Measure) -> float:
    """Size of one preset's files over the yardstick's at its quality: geometric mean of clips."""
    ratios = []
    for goal in found:
        if (goal.codec, goal.preset, goal.crf) == YARDSTICK:
            same = [run for run in runs if run.clip == goal.clip]
            ratios.append(bits_at(same, measure, getattr(goal, measure)) / goal.bits)
    return float(np.exp(np.mean(np.log(ratios))))


def markdown(found: Sequence[Encoded]) -> str:
    """One row a preset and rate factor: means over the clips; the last two are the preset's."""
    lines = [
        "| codec | preset | crf | bits/pixel | VMAF | PSNR dB | SSIM | CPU ms/megapixel "
        "| size at equal VMAF | at equal PSNR |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    ordered = sorted(found, key=lambda run: (list(Codec).index(run.codec), _rank(run), run.crf))
    for (codec, preset), group in groupby(ordered, key=lambda run: (run.codec, run.preset)):
        runs = list(group)
        sizes = relative_size(found, runs, "vmaf"), relative_size(found, runs, "psnr")
        for crf, same in groupby(runs, key=lambda run: run.crf):
            rows = list(same)
            bits, vmaf, psnr, ssim, cpu = (
                float(np.mean([getattr(run, name) for run in rows]))
                for name in ("bits", "vmaf", "psnr", "ssim", "cpu_ms")
            )
            lines.append(
                f"| {codec} | {preset} | {crf} | {bits:.3f} | {vmaf:.1f} | {psnr:.2f} "
                f"| {ssim:.4f} | {cpu:.0f} | {sizes[0]:.2f} | {sizes[1]:.2f} |"
            )
    return "\n".join(lines)


def _rank(run: Encoded) -> int:
    return PRESETS[run.codec].index(run.preset)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoders")
    parser.add_argument("--clips", default="opera,interview,hamilton")
    parser.add_argument("--frames", type=int, default=60, help="of each clip (default 60)")
    parser.add_argument("--repeats", type=int, default=1, help="runs, of which the best counts")
    parser.add_argument("-o", "--output", type=Path, help="keeps masked clips and results")
    given = parser.parse_args()
    use_shared_models()
    found: list[Encoded] = []
    with tempfile.TemporaryDirectory(prefix="bystander-encoders-") as scratch:
        folder = given.output or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name in given.clips.split(","):
            for run in measure(Clip(name), folder, given.frames, given.repeats):
                print(run, flush=True)
                found.append(run)
        (folder / "encoders.json").write_text(json.dumps([asdict(run) for run in found], indent=1))
    print(f"\n{markdown(found)}")


if __name__ == "__main__":
    main()
