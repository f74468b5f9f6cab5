"""`bentoml serve bentos.person_segmenter:PersonSegmenter`: the person segmenter by itself."""

from bystander.server.bentos.person_segmenter import PersonSegmenterService as PersonSegmenter

__all__ = ["PersonSegmenter"]
