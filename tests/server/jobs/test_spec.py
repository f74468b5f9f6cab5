"""What a worker is told, and what it doesn't take for an order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bystander.choices import EffectName, ProfileName
from bystander.errors import ConfigError
from bystander.redaction.effects import EffectSettings
from bystander.server.jobs.spec import (
    AUDIT_FILE,
    EARLIER_AUDIT_FILE,
    EARLIER_TIMELINE_FILE,
    OF_RENDERING,
    OUTPUTS,
    RENDERED_FILE,
    SPEC_FILE,
    TIMELINE_FILE,
    VIDEO_FILE,
    CastPhotoSpec,
    CastSpec,
    ClickSpec,
    JobSpec,
    key_of,
    prepare,
    rendering_of,
)
from bystander.server.models import Job, JobKind, JobState, Project
from bystander.server.settings import ServiceSettings
from bystander.storage import LocalStorage

WHOLE = JobSpec(
    kind=JobKind.RENDER,
    profile=ProfileName.THOROUGH,
    cast=(CastSpec(name="Zoë", photos=(CastPhotoSpec(file="0a.jpg", box=(1, 2, 3.5, 4)),)),),
    clicks=(ClickSpec(seconds=2.5, x=10, y=20),),
    keep=("p2",),
    mask=("t17",),
    effect=EffectSettings(name=EffectName.SOLID, color="#123456"),
    audit=True,
    in_flight=8,
)


def test_an_order_arrives_as_it_was_given(tmp_path: Path) -> None:
    WHOLE.save(tmp_path)
    assert JobSpec.load(tmp_path) == WHOLE


def test_saving_leaves_nothing_but_the_order(tmp_path: Path) -> None:
    for kind in JobKind:
        JobSpec(kind=kind).save(tmp_path)
        assert JobSpec.load(tmp_path).kind is kind
    assert [path.name for path in tmp_path.iterdir()] == [SPEC_FILE]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "EOF"),
        (b"\xff\xfe{}", "JSON"),
        (b'{"kind": "dance"}', "kind"),
        (b"{}", "kind"),
        (b'{"kind": "mask", "colour": "red"}', "colour"),
        (b'{"kind": "mask", "in_flight": 65}', "in_flight"),
        (b'{"kind": "mask", "checkpoint_seconds": NaN}', "checkpoint_seconds"),
        (b'{"kind": "mask", "clicks": [{"seconds": -1, "x": 0, "y": 0}]}', "clicks.0.seconds"),
    ],
    ids=lambda value: value[:40].decode(errors="replace") if isinstance(value, bytes) else value,
)
def test_what_is_damaged_is_no_order(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / SPEC_FILE).write_bytes(content)
    with pytest.raises(ConfigError, match=complaint):
        JobSpec.load(tmp_path)


def test_without_an_order_there_is_nothing_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no order"):
        JobSpec.load(tmp_path)


@pytest.mark.parametrize(
    "file",
    [
        "../secret.jpg",
        "/etc/passwd",
        "a/b.jpg",
        "a.jpg\n",
        "a.png",
        ".jpg",
        "A.jpg",
        "..jpg",
        "a\0.jpg",
        "",
    ],
)
def test_a_photo_lies_in_the_folder_of_the_cast(file: str) -> None:
    with pytest.raises(ValidationError):
        CastPhotoSpec(file=file, box=(0, 0, 1, 1))


@pytest.mark.parametrize("box", [(0, 0, 1), "", None, (0, 0, 1, "wide")])
def test_a_box_has_four_sides(box: Any) -> None:
    with pytest.raises(ValidationError):
        CastPhotoSpec(file="a.jpg", box=box)


def test_another_rendering_replaces_all_of_the_last_one_and_not_the_analysis() -> None:
    replaced = {name for name in OUTPUTS if key_of("p", name).startswith(rendering_of("p"))}
    assert replaced == set(OF_RENDERING)
    assert TIMELINE_FILE not in replaced
    assert len({key_of("p", name) for name in OUTPUTS}) == len(OUTPUTS)
    assert all(key_of("p", name).startswith("p/") for name in OUTPUTS)


@pytest.mark.parametrize(
    ("order", "earlier", "gone_on_from"),
    [
        ({}, {}, True),
        ({"edits": {"edits": [{"kind": "erase", "who": "p1"}]}, "keep": ["p2"]}, {}, True),
        ({"effect": {"name": "mosaic"}}, {}, False),
        ({"codec": "hevc"}, {}, False),
        ({"audit": False}, {}, False),
        ({}, {"profile": "fast"}, False),
    ],
)
def test_an_audit_is_gone_on_from_where_the_result_was_drawn_by_the_same_means(
    tmp_path: Path, order: dict[str, Any], earlier: dict[str, Any], gone_on_from: bool
) -> None:
    settings = ServiceSettings()
    storage = LocalStorage(tmp_path / "storage")
    project = Project("ab", "owner", 0, 1)
    for name in (VIDEO_FILE, TIMELINE_FILE, RENDERED_FILE, AUDIT_FILE):
        (tmp_path / "file").write_text(name)
        storage.put(tmp_path / "file", key_of(project.id, name))
    jobs = [
        Job(str(n), "ab", "owner", JobKind.RENDER, JobState.QUEUED,
            {"kind": "render", "audit": True, **given}, 0.0)
        for n, given in enumerate((order, earlier))
    ]  # fmt: skip

    prepare(tmp_path / "work", jobs[0], project, (), tmp_path, storage, settings, jobs[1])

    there = [tmp_path / "work" / n for n in (EARLIER_AUDIT_FILE, EARLIER_TIMELINE_FILE)]
    assert [file.exists() for file in there] == [gone_on_from] * 2
