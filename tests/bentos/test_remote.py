"""The model services give what the networks of the command line give."""

from __future__ import annotations

import importlib.util
import os
import pickle
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

import cv2
import httpx
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from bystander.errors import ConfigError, ModelContract, ModelError
from bystander.geometry.instances import Face, Instance
from bystander.models import Models, ModelSettings, load_models
from bystander.models.segmenter import SegmenterSettings
from bystander.models.store import Catalogue, ModelStore, Variant
from bystander.server.bentos.protocol import FACE_EMBEDDER, MEDIA_TYPE, PERSON_SEGMENTER
from bystander.server.bentos.remote import ModelService, open_models
from tests.bentos.conftest import Server
from tests.support.waiting import HANGS_AFTER_SECONDS

pytestmark = pytest.mark.long

Picture = NDArray[np.uint8]
SIZES = ((640, 360), (360, 640), (512, 384))


def settings(variant: Variant = "float") -> ModelSettings:
    return ModelSettings(segmenter=SegmenterSettings(variant=variant), bodies="histogram")


@pytest.fixture(scope="module")
def remote(server: Server) -> Models:
    return open_models(server.services, settings())


@pytest.fixture(scope="module")
def local(server: Server) -> Models:
    return load_models(settings(), ModelStore.from_environment(Catalogue.load(), server.environ))


@pytest.fixture(scope="module")
def friends() -> Picture:
    """Six people; the picture comes with the package insightface."""
    package = importlib.util.find_spec("insightface")
    assert package is not None
    assert package.origin is not None
    pixels = cv2.imread(str(Path(package.origin).parent / "data/images/t1.jpg"))
    assert pixels is not None
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)


@pytest.fixture(scope="module")
def frames(friends: Picture) -> list[Picture]:
    """Eight views of the friends in each of three sizes, in turn."""
    height, width = friends.shape[:2]
    parts = [friends[9 * i : height - 40 + 5 * i, 14 * i : width - 90 + 7 * i] for i in range(8)]
    return [
        np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        for part in parts
        for size in SIZES
    ]


def facts(instances: list[Instance]) -> list[tuple[object, ...]]:
    """Everything about the instances, comparable bit for bit."""
    return [
        (i.box, i.score, i.mask.x, i.mask.y, i.mask.bits.shape, i.mask.bits.tobytes())
        for i in instances
    ]


def facts_of_faces(faces: list[Face]) -> list[tuple[object, ...]]:
    return [(face.box, face.score, face.landmarks.tobytes()) for face in faces]


def batches(server: Server, api: str) -> tuple[float, float]:
    """How many items the API got so far, and in how many batches."""
    found = {"sum": 0.0, "count": 0.0}
    pattern = r"bentoml_service_adaptive_batch_size_(sum|count){([^}]*)} (\S+)"
    for kind, labels, value in re.findall(pattern, server.metrics()):
        if f'method_name="{api}"' in labels:
            found[kind] += float(value)
    return found["sum"], found["count"]


def test_frames_of_three_sizes_give_what_they_give_locally_and_share_batches(
    server: Server, remote: Models, local: Models, frames: list[Picture]
) -> None:
    expected = [facts(local.segmenter.segment([frame])[0]) for frame in frames]
    items, runs = batches(server, "segment")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda frame: facts(remote.segmenter.segment([frame])[0]), frames))
    assert found == expected
    assert sum(map(len, expected)) > len(frames)  # there are people to agree about
    more_items, more_runs = batches(server, "segment")
    assert more_items - items == len(frames)
    assert more_runs - runs < len(frames)


def test_several_frames_of_one_call_come_back_in_order(
    remote: Models, local: Models, frames: list[Picture]
) -> None:
    found = remote.segmenter.segment(frames[:5])
    alone = [local.segmenter.segment([frame])[0] for frame in frames[:5]]
    assert [facts(one) for one in found] == [facts(one) for one in alone]
    assert remote.segmenter.segment([]) == []


def test_the_fast_profile_gets_its_own_network(server: Server, frames: list[Picture]) -> None:
    store = ModelStore.from_environment(Catalogue.load(), server.environ)
    remote, local = (
        open_models(server.services, settings("int8")),
        load_models(settings("int8"), store),
    )
    assert remote.describe() == local.describe()
    for frame in frames[:3]:
        [found], [expected] = remote.segmenter.segment([frame]), local.segmenter.segment([frame])
        assert facts(found) == facts(expected)


def test_faces_and_their_vectors_are_the_same_bit_for_bit(
    remote: Models, local: Models, friends: Picture
) -> None:
    found, expected = remote.faces.detect(friends), local.faces.detect(friends)
    assert len(expected) == 6
    assert facts_of_faces(found) == facts_of_faces(expected)
    vectors = remote.faces.embed(friends, found)
    assert vectors.tobytes() == local.faces.embed(friends, expected).tobytes()
    assert remote.faces.embed(friends, []).shape == local.faces.embed(friends, []).shape


def test_the_services_say_what_they_run(remote: Models, local: Models) -> None:
    assert remote.describe() == local.describe()
    assert remote.faces.name == local.faces.name == "dlib"
    assert remote.faces.thresholds == local.faces.thresholds
    assert remote.faces.min_face == local.faces.min_face


def test_one_bad_frame_fails_alone(remote: Models, frames: list[Picture]) -> None:
    bad = np.zeros((36, 64), dtype=np.uint8)
    outcomes: list[object] = []

    def look(frame: Picture) -> object:
        try:
            return facts(remote.segmenter.segment([frame])[0])
        except ModelContract as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(look, [*frames[:4], bad, *frames[4:8]]))
    failed = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, ModelContract)]
    assert failed == [4]
    assert "(36, 64)" in str(outcomes[4])


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._folder),)


@pytest.mark.parametrize("service", [PERSON_SEGMENTER, FACE_EMBEDDER])
def test_a_pickle_is_not_loaded(server: Server, tmp_path: Path, service: str) -> None:
    folder = tmp_path / "exploded"
    socket_path = unquote(urlsplit(server.services[service]).path)
    pickled = pickle.dumps({"frames": [Bomb(folder)], "images": [Bomb(folder)]})
    with httpx.Client(
        transport=httpx.HTTPTransport(uds=socket_path), base_url="http://localhost"
    ) as client:
        for api in ("segment", "detect", "describe"):
            for kind, status in (
                ("application/vnd.bentoml+pickle", 415),
                ("application/vnd.bentoml+pickle; q=1", 415),
                ("application/json", 415),
                (MEDIA_TYPE, (400, 404)),
            ):
                answer = client.post(f"/{api}", content=pickled, headers={"content-type": kind})
                assert answer.status_code in (status if isinstance(status, tuple) else (status,))
    assert not folder.exists()


def test_a_killed_service_is_waited_for(
    server: Server, remote: Models, local: Models, frames: list[Picture]
) -> None:
    expected = [facts(local.segmenter.segment([frame])[0]) for frame in frames]
    [victim] = [
        child
        for child in psutil.Process(server.parent).children()
        if PERSON_SEGMENTER in child.cmdline()
    ]
    seen = threading.Semaphore(0)

    def look(frame: Picture) -> list[tuple[object, ...]]:
        found = facts(remote.segmenter.segment([frame])[0])
        seen.release()
        return found

    with ThreadPoolExecutor(4) as pool:
        results = pool.map(look, frames)
        seen.acquire(timeout=HANGS_AFTER_SECONDS)  # calls are under way now
        victim.kill()
        assert list(results) == expected
    assert not victim.is_running()


def test_a_service_that_is_gone_for_good_is_a_model_error() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    gone = ModelService("Gone", f"tcp://127.0.0.1:{port}", patience=0.3)
    with pytest.raises(ModelError, match=r"Gone is gone, and didn't come back in 0\.3 s"):
        gone.call("segment", frames=[])


def test_settings_that_the_services_would_not_follow_are_refused(server: Server) -> None:
    own = ModelSettings(segmenter=SegmenterSettings(confidence=0.5))
    with pytest.raises(ConfigError, match="segmenter"):
        open_models(server.services, own)
    with pytest.raises(ConfigError, match="faces"):
        open_models(server.services, ModelSettings(faces="buffalo_l"))
    with pytest.raises(ConfigError, match="no model service PersonSegmenter"):
        open_models({}, ModelSettings())
