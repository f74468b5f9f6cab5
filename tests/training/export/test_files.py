from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from tests.training.export.networks import tiny
from training.export.files import save, save_json

FACTS = {"name": "tiny", "licence": "AGPL-3.0-or-later"}


def gossip(network: onnx.ModelProto) -> onnx.ModelProto:
    """Notes of the kind that exporters leave behind."""
    where = "/home/someone/secret/train.py:12"
    network.doc_string = network.graph.doc_string = where
    network.graph.node[0].doc_string = where
    network.graph.input[0].doc_string = where
    note = network.graph.node[1].metadata_props.add()
    note.key, note.value = "stack_trace", where
    note = network.metadata_props.add()
    note.key, note.value = "args", where
    return network


def test_the_file_says_the_facts_and_nothing_of_where_it_was_made(tmp_path: Path) -> None:
    save(gossip(tiny()), tmp_path / "tiny.onnx", FACTS)

    assert b"someone" not in (tmp_path / "tiny.onnx").read_bytes()
    stamped = onnx.load(tmp_path / "tiny.onnx")
    assert {fact.key: fact.value for fact in stamped.metadata_props} == FACTS


def test_equal_networks_give_equal_bytes_in_whatever_order_their_facts_come(
    tmp_path: Path,
) -> None:
    save(tiny(), tmp_path / "a.onnx", FACTS)
    save(gossip(tiny()), tmp_path / "b.onnx", dict(reversed(FACTS.items())))

    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_an_invalid_network_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(b"before")
    broken = tiny()
    broken.graph.node[0].input[0] = "nothing gives this"

    with pytest.raises(onnx.checker.ValidationError):
        save(broken, path, FACTS)

    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_makes_its_folder(tmp_path: Path) -> None:
    save_json({"people": 3}, tmp_path / "new" / "parity.json")

    assert json.loads((tmp_path / "new" / "parity.json").read_text()) == {"people": 3}
