"""What the service accepts and for how long, for clients that tell people before they try."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from bystander.media.photos import PHOTO_SUFFIXES
from bystander.server.http.deps import CurrentContext
from bystander.server.http.views import ApiView


class LimitsView(ApiView):
    """What may be sent, and until when it stays."""

    video_bytes: int = Field(description="of one video")
    max_duration: float = Field(description="seconds of one video")
    photo_bytes: int = Field(description="of one photo's file")
    photo_suffixes: list[str] = Field(description="of the names of photos that can be read")
    photos: int = Field(description="of one project")
    hours: float = Field(description="after its last use a project is deleted")


router = APIRouter(tags=["projects"])


@router.get("/limits", summary="What is accepted")
async def get_limits(context: CurrentContext) -> LimitsView:
    """Sizes, lengths, and how long things are kept."""
    limits = context.settings.limits
    return LimitsView(
        video_bytes=limits.video_bytes,
        max_duration=limits.max_duration,
        photo_bytes=limits.photo_bytes,
        photo_suffixes=list(PHOTO_SUFFIXES),
        photos=limits.photos,
        hours=context.settings.retention.hours,
    )
