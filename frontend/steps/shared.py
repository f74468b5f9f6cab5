"""What somebody sees who was given a link: the masked video, and nothing to be changed."""

from __future__ import annotations

import re
from html import escape
from typing import Final

import streamlit as st

from frontend.api_types import SharedView
from frontend.components.player import PlayerTexts, player
from frontend.page import from_service, heading, say
from frontend.service import Service, Trouble
from frontend.texts import Texts
from frontend.wording import hours_left

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


def show(service: Service, texts: Texts, token: str) -> None:
    """Show what the link of this token leads to; it is as somebody gave it."""
    try:
        if not TOKEN.fullmatch(token):
            raise Trouble("missing", 404)
        found = service.shared(token)
    except Trouble as refused:
        if refused.status not in (404, 409):
            raise
        key = "pending" if refused.status == 409 else "gone"
        st.title(texts("shared.title"), anchor=False)
        say("info", texts(f"shared.{key}"), texts(f"shared.{key}-advice"))
        return
    _video(texts, found)


def _video(texts: Texts, found: SharedView) -> None:
    heading(texts, "shared")
    src = from_service(found["video"])
    st.html(f'<p class="file">{escape(found["name"])}</p>')
    told = texts.group("player") | {"label": texts("shared.video")}
    player("video", src=src, poster=None, texts=PlayerTexts(**told))
    label = escape(texts("result.download"))
    st.html(f'<a class="download" href="{escape(src)}" download>{label}</a>')
    st.caption(texts("shared.expires", hours=hours_left(found)))
