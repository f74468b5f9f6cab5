"""Options from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bystander.errors import ConfigError
from bystander.preset import load_preset

YAML = """
effect: solid
color: "#202020"
cast: photos
zone: ["mask:0,0,9,9"]
smart_render: off
deinterlace: on
audit: true
sound: [pitch, "mute:1-2.5"]
strength: 1.5
shape: blob
picture: emoji.png
"""
TOML = """
effect = "solid"
color = "#202020"
cast = ["photos"]
zone = "mask:0,0,9,9"
smart-render = "off"
deinterlace = "on"
audit = true
sound = ["pitch", "mute:1-2.5"]
strength = 1.5
shape = "blob"
picture = "emoji.png"
"""


@pytest.mark.parametrize(("name", "text"), [("p.yaml", YAML), ("p.toml", TOML)])
def test_options_are_read_from_yaml_and_toml(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert load_preset(tmp_path / name).options() == {
        "effect": "solid",
        "color": "#202020",
        "cast": [str(tmp_path / "photos")],
        "zone": ["mask:0,0,9,9"],
        "smart_render": "off",
        "deinterlace": "on",
        "audit": True,
        "sound": ["pitch", "mute:1-2.5"],
        "strength": 1.5,
        "shape": "blob",
        "picture": str(tmp_path / "emoji.png"),
    }


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("# nothing yet\n")
    assert load_preset(tmp_path / "p.yaml").options() == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("colour: red", "colour"),
        ("effect: sparkle", "effect"),
        ("processes: 0", "processes"),
        ("keep_at: 1:2,3", "keep_at"),
        ("- effect", "file"),
        ("effect: [", "can't be read"),
        ("strength: .nan", "strength"),
    ],
)
def test_what_is_no_option_is_refused_with_a_reason(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"p\.yaml.*{told}"):
        load_preset(tmp_path / "p.yaml")


def test_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        load_preset(tmp_path / "none.toml")
