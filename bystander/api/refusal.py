"""Saying no to a client, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from fastapi import HTTPException


class Refusal(HTTPException):
    """What is asked for can't be done.

    Attributes:
        advice: what the client may do instead, one sentence.
        code: what it is for programs, as errors have their class; None where the status is
            all that there is to it.
        more: further members of the problem (RFC 9457, section 3.2).
    """

    def __init__(
        self,
        status: int,
        what: str,
        advice: str = "",
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(status, what, dict(headers) if headers else None)
        self.advice, self.code, self.more = advice, code, dict(more or {})

    @classmethod
    def missing(cls, what: str) -> Self:
        """The same for what never was and for what is somebody else's."""
        return cls(404, what, code="missing")
