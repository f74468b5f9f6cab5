"""Who makes a request: a token, and for a token that serves many people, which of them.

The web app has one token for all of its visitors. It says of each request which visitor it is
for, and from which network, so that none of them can use up what is there for all. Both are
digests: the service learns neither cookie nor address. Only who holds the token is asked, and what
is said never makes a limit larger than the token's own.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Literal

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from bystander.server.settings import LimitSettings

VISITOR_HEADER: Final = "Bystander-Visitor"
NETWORK_HEADER: Final = "Bystander-Network"
DIGEST: Final = re.compile("[0-9a-f]{16,64}")

Scope = Literal["token", "network", "visitor"]


@dataclass(frozen=True, slots=True)
class LimitedParty:
    """One of those whom a limit is for.

    Attributes:
        scope: what it is.
        key: names it, and no other party.
        share: of the token's limits, that it may use; 0 to 1.
    """

    scope: Scope
    key: tuple[str, str, str]
    share: float

    def of(self, limit: int) -> int:
        """Its part of a token's limit, at least one."""
        return max(1, math.ceil(limit * self.share))

    @property
    def words(self) -> str:
        return {
            "token": "this token",
            "network": "this network",
            "visitor": "this visitor",
        }[self.scope]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request.

    Attributes:
        owner: digest of the token.
        visitor, network: as the holder of the token says; "" where it doesn't.
    """

    owner: str
    visitor: str = ""
    network: str = ""

    def parties(self, limits: LimitSettings) -> tuple[LimitedParty, ...]:
        """All whose limits a request of theirs counts towards, the narrowest first."""
        found = [LimitedParty("token", (self.owner, "", ""), 1.0)]
        if self.network:
            found.insert(
                0, LimitedParty("network", (self.owner, "", self.network), limits.network_share)
            )
        if self.visitor:
            found.insert(
                0, LimitedParty("visitor", (self.owner, self.visitor, ""), limits.visitor_share)
            )
        return tuple(found)


def named_by(owner: str, headers: Headers) -> Caller:
    """The caller that a request names; what is no digest names nobody."""
    visitor, network = (
        value if DIGEST.fullmatch(value) else ""
        for value in (headers.get(VISITOR_HEADER, ""), headers.get(NETWORK_HEADER, ""))
    )
    return Caller(owner, visitor, network)


def caller_of(request: HTTPConnection) -> Caller:
    """Who makes this request, as the gate has found out."""
    caller = request.state.caller
    assert isinstance(caller, Caller)
    return caller
