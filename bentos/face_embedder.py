"""`bentoml serve bentos.face_embedder:FaceEmbedder`: the face model by itself."""

from bystander.server.bentos.face_embedder import FaceEmbedderService as FaceEmbedder

__all__ = ["FaceEmbedder"]
