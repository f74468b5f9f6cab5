"""What the API's description says of answers holds for them."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi.routing import APIRoute

from bystander.auditing.findings import FindingKind, Severity, in_file, in_frame
from bystander.auditing.report import AuditResult, as_json
from bystander.geometry.coordinates import DisplayBox
from bystander.server.http.app import ROUTERS
from bystander.server.http.views import AuditView
from bystander.timeline.header import Header, SourceVideo
from bystander.timeline.types import (
    Decision,
    Evidence,
    EvidenceKind,
    Person,
    Shot,
    Tracklet,
    Verdict,
)


def test_a_report_holds_what_its_description_says_and_nothing_else() -> None:
    kept = (Verdict(0, 9, Decision.KEEP, Evidence(EvidenceKind.USER)),)
    header = Header(
        SourceVideo(64, 36, (1, 25), 9, 25.0, "f"),
        (64, 36),
        (Shot(0, 9),),
        (Tracklet(1, 0, 0, 9, 9, 30.0, None, kept),),
        (Person("p1", "Anna", (1,), 0.36),),
        {},
    )
    box = DisplayBox((1.0, 2.5, 30.0, 20.0))
    leak = in_frame(FindingKind.UNMASKED, Severity.LEAK, (3, 0.12), box, 0.7, "somebody shows")
    note = in_file(FindingKind.METADATA, "comment", "there is a comment", Severity.NOTE)
    report = AuditResult(
        source=Path("a.mp4"),
        output=Path("b.mp4"),
        checksums=("0" * 64, "1" * 64),
        frames=9,
        seconds=0.36,
        header=header,
        models={"person-seg-n.onnx": "2" * 64},
        stripped=("a chapter",),
        findings=(leak, note),
        basis={"version": "1"},
    )

    written = json.loads(json.dumps(as_json(report)))

    assert written["kept"]
    assert AuditView.model_validate(written).model_dump(mode="json") == written


def test_no_route_leaves_fields_out_of_its_answers() -> None:
    """The web app's types count on it."""
    routes = [route for module in ROUTERS for route in module.router.routes]
    assert any(isinstance(route, APIRoute) and route.response_model for route in routes)
    for route in routes:
        if isinstance(route, APIRoute):
            assert not route.response_model_exclude_unset
            assert not route.response_model_exclude_defaults
            assert not route.response_model_exclude_none
            assert not route.response_model_exclude
