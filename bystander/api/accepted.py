"""What the service accepts and for how long, for clients that tell people before they try."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from bystander.api.context import Context
from bystander.media.photos import PHOTO_SUFFIXES


class LimitsView(BaseModel):
    """What may be sent, and until when it stays."""

    video_bytes: int = Field(description="of one video")
    max_duration: float = Field(description="seconds of one video")
    photo_bytes: int = Field(description="of one photo's file")
    photo_suffixes: list[str] = Field(description="of the names of photos that can be read")
    photos: int = Field(description="of one project")
    hours: float = Field(description="after its last use a project is deleted")


def router(context: Context) -> APIRouter:
    """The route /limits."""
    routes = APIRouter(tags=["projects"])
    limits, retention = context.settings.limits, context.settings.retention
    view = LimitsView(
        video_bytes=limits.video_bytes,
        max_duration=limits.max_duration,
        photo_bytes=limits.photo_bytes,
        photo_suffixes=list(PHOTO_SUFFIXES),
        photos=limits.photos,
        hours=retention.hours,
    )

    @routes.get("/limits", summary="What is accepted")
    def get_limits() -> LimitsView:
        """Sizes, lengths, and how long things are kept."""
        return view

    return routes
