"""Masks the whole body of everyone in a video except the people who may be seen.

The verbs are modules of their own: `bystander.analyze` (video to timeline),
`bystander.render` (timeline to masked video), `bystander.estimate`; what they stand on
is drawn in docs/architecture.md. Every error is a `bystander.errors.BystanderError`.
"""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("bystander")
