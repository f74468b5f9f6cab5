"""Long lists in parts: `limit` and `after` in, a `Link` to the next part out (RFC 8288).

Without `limit` a list comes whole, as it always did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from bystander.server.http.errors import ApiError

MAX_PAGE: Final = 1000
LINKED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "headers": {
            "Link": {
                "description": 'the next part: `<address>; rel="next"`; absent in the last one',
                "schema": {"type": "string"},
            }
        }
    }
}
"""OpenAPI's description of a list that comes in parts."""

Item = TypeVar("Item")


class Pagination:
    """Which part of a list a request asks for. A dependency of routes: `Depends()`.

    Attributes:
        after: cursor of the last item of the part before; None for the first part.
    """

    def __init__(
        self,
        limit: Annotated[
            int | None, Query(ge=1, le=MAX_PAGE, description="most items; null: all of them")
        ] = None,
        after: Annotated[
            str | None, Query(max_length=200, description="as the Link of the part before has it")
        ] = None,
    ) -> None:
        self.limit, self.after = limit, after

    @property
    def fetched(self) -> int | None:
        """How many items to look for: one more tells whether there is another part."""
        return None if self.limit is None else self.limit + 1

    def cut(
        self,
        found: Sequence[Item],
        cursor_of: Callable[[Item], str],
        request: Request,
        response: Response,
    ) -> Sequence[Item]:
        """The items of this part, and in `response` the way to the next one.

        Args:
            found: from this part's first item on, at least `fetched` if there are so many.
        """
        if self.limit is None or len(found) <= self.limit:
            return found
        part = found[: self.limit]
        query = urlencode({"limit": self.limit, "after": cursor_of(part[-1])})
        response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
        return part


def unknown_cursor() -> ApiError:
    return ApiError(
        422,
        "There is nothing that `after` could mean",
        "Begin without it, and go on as the Link of each answer says.",
    )
