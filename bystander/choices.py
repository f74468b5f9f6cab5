"""What people choose by name, on the command line, in the API and in settings' files.

Apart from what they choose among, so that `bystander --help` loads neither FFmpeg nor OpenCV.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

DEFAULT_COLOR: Final = "#202020"
"""Of the effect `solid`."""
DEFAULT_STRENGTH: Final = 1.0
"""Times the cells of `blur` and `mosaic`, and of the blur of `fill`."""


class ProfileName(StrEnum):
    """How thoroughly a video is analysed."""

    FAST = "fast"
    BALANCED = "balanced"
    THOROUGH = "thorough"


class LicenceUse(StrEnum):
    """Which networks are used, by their licences (`bystander.models.licences`)."""

    ANY = "any"
    COMMERCIAL = "commercial"
    """Those alone that may be used commercially without further conditions on one's own code."""


class EffectName(StrEnum):
    """What is drawn over masked people."""

    BLUR = "blur"
    MOSAIC = "mosaic"
    SOLID = "solid"
    PICTURE = "picture"
    """A picture over the person's box, and the solid colour beneath it."""
    FILL = "fill"
    """The background, as other frames of the shot show it; where none does, the blur."""


class ShapeName(StrEnum):
    """What of a masked person is drawn over; each covers the silhouette wholly."""

    SILHOUETTE = "silhouette"
    BLOB = "blob"
    """A rounded shape that tells neither outline nor gait."""
    BOX = "box"


class Codec(StrEnum):
    """What pictures are encoded with."""

    AUTO = "auto"
    """H264 for 8 bits a colour, HEVC for more and for high dynamic range."""
    H264 = "h264"
    HEVC = "hevc"
    AV1 = "av1"


class EncoderBackend(StrEnum):
    """Where pictures are encoded."""

    SOFTWARE = "software"
    """On the processor, by x264, x265 and SVT-AV1: the best quality for a file's size."""
    AUTO = "auto"
    """By the first hardware encoder that works here, else on the processor."""
    NVENC = "nvenc"
    VIDEOTOOLBOX = "videotoolbox"
    QSV = "qsv"


class Deinterlace(StrEnum):
    """What becomes of interlaced pictures."""

    AUTO = "auto"
    """They stay interlaced where the codec can say so, and are deinterlaced elsewhere."""
    ON = "on"
    """All pictures are deinterlaced, also those that don't say that they are interlaced."""
    OFF = "off"
    """They stay interlaced; what can't hold them is refused."""


class Device(StrEnum):
    """Where networks run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


class Precision(StrEnum):
    """What the segmenter calculates in."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8 = "int8"


class SmartRender(StrEnum):
    """What becomes of groups of pictures in which nothing is drawn."""

    AUTO = "auto"
    """Their packets are the source's wherever that is sure to play; else they are encoded."""
    OFF = "off"
    """Everything is encoded."""


class SoundTreatment(StrEnum):
    """What becomes of sound."""

    KEEP = "keep"
    """It stays as it is."""
    MUTE = "mute"
    """Silence."""
    LOW_PASS = "low-pass"
    """Only what lies below the frequencies that words are made of."""
    PITCH = "pitch"
    """Everything is lower, formants too, and lasts as long: other voices."""


class ExportFormat(StrEnum):
    """What a timeline is handed to other programs as."""

    FFV1 = "ffv1"
    """Mattes as lossless grey video, Matroska."""
    PRORES = "prores"
    """The source's picture with the matte as its alpha, ProRes 4444 in QuickTime."""
    PNG = "png"
    """Mattes as a folder of grey pictures."""
    COCO = "coco"
    """Masked people in every frame, COCO's JSON with run-length encoded masks."""
    MOT = "mot"
    """Everyone's boxes, the text of the MOT challenge."""
    MOT_JSON = "mot-json"
    """The same boxes by frame, with people's ids and verdicts."""
    EDL = "edl"
    """Markers of what is doubtful, CMX 3600."""
    FCPXML = "fcpxml"
    CSV = "csv"
