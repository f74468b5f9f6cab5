"""The key by which a token's webhooks are signed."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field

from bystander.server.http.deps import CurrentContext
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.views import ApiView
from bystander.server.jobs.webhooks import signing_key, written


class SecretView(ApiView):
    """What a receiver checks the signatures with (Standard Webhooks)."""

    secret: str = Field(
        description="of this token alone: keep it as safe as the token",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )


router = APIRouter(tags=["jobs"])


@router.get(
    "/webhook-secret", summary="The key that webhooks are signed with", responses=responses(409)
)
def get_secret(request: Request, context: CurrentContext) -> SecretView:
    """When a job has ended that was ordered with a `webhook`, that address gets a POST:
    `{"type": "job.done", "timestamp": ..., "data": {"job", "project", "kind", "state",
    "links"}}`, with the headers `Webhook-Id` (the same for every try), `Webhook-Timestamp`
    and `Webhook-Signature`, after the Standard Webhooks specification. Any answer but a 2xx
    is tried again, ever more rarely, for a day; 410 ends it. It may come twice."""
    secret = context.settings.webhooks.secret
    if not secret:
        raise no_webhooks()
    return SecretView(secret=written(signing_key(secret, request.state.owner)))


def no_webhooks() -> ApiError:
    return ApiError(
        409,
        "This service sends no webhooks",
        "Follow the job's events; the operator may set BYSTANDER_WEBHOOK_SECRET.",
        code="webhooks-off",
    )
