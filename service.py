"""`bentoml serve service:Bystander`, and what bentofile.yaml packs; see the module below."""

from bystander.server.service import Bystander

__all__ = ["Bystander"]
