"""Masks the whole body of everyone in a video except the people who may be seen.

The verbs are modules of their own: `bystander.analyze` (video to timeline),
`bystander.render` (timeline to masked video), `bystander.estimate`; what they stand on
is drawn in docs/architecture.md. Every error is a `bystander.errors.BystanderError`.
"""

import os

# ONNX Runtime reports to its maker by default, from its import on: nothing is sent anywhere.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = ["__version__"]

__version__ = "0.1.0"
