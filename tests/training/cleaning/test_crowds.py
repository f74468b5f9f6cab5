from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.training.cleaning.made import HEIGHT, WIDTH, person, picture, scene
from training.cleaning import apply, clean, greyed
from training.pictures import Annotation


def crowd(width: float) -> Annotation:
    return replace(person("crowd", x=0, y=0, width=width, height=HEIGHT), crowd=True)


def test_a_picture_that_is_mostly_crowd_is_removed(tmp_path: Path) -> None:
    made = picture(tmp_path, "a.png", (person("1", x=100), crowd(width=60)))
    findings = clean([made])
    assert ("crowd", "remove picture") in {(f.check, f.action) for f in findings.found}
    assert not apply([made], findings)


def test_a_small_crowd_is_painted_grey_and_nobody_who_has_a_label_is(tmp_path: Path) -> None:
    made = picture(tmp_path, "a.png", (person("1", x=10), crowd(width=30)))
    findings = clean([made])
    assert [f.action for f in findings.found] == ["grey out"]
    [cleaned] = apply([made], findings)

    painted = greyed(scene(0), cleaned)

    grey = (painted == 114).all(axis=-1)
    labelled = person("1", x=10).bits(WIDTH, HEIGHT)
    assert grey[~labelled][: 5 * WIDTH].reshape(5, WIDTH)[:, :30].all()
    assert np.array_equal(painted[labelled], scene(0)[labelled])
    assert np.array_equal(painted[:, 32:], scene(0)[:, 32:])


def test_somebody_without_a_usable_silhouette_is_painted_grey(tmp_path: Path) -> None:
    broken = replace(person("1"), polygons=(np.array([(60.0, 40.0), (np.nan, 60.0)]),))
    made = picture(tmp_path, "a.png", (broken,))
    [cleaned] = apply([made], clean([made]))
    painted = greyed(scene(0), cleaned)
    assert (painted[41:99, 61:89] == 114).all()


def test_many_useless_silhouettes_count_like_a_crowd(tmp_path: Path) -> None:
    broken = replace(person("1", x=0, y=0, width=80, height=100), polygons=(np.zeros((2, 2)),))
    made = picture(tmp_path, "a.png", (broken,))
    assert not apply([made], clean([made]))
