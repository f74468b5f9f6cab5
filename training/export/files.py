"""How a network is written: with its papers, the same bytes each time, and nothing else."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import onnx
from onnx import helper

LICENCE = "AGPL-3.0-or-later"


def save(network: onnx.ModelProto, path: Path, facts: Mapping[str, str]) -> None:
    """Write `network` to `path` with `facts` as its only metadata.

    What exporters note besides (doc strings with source lines, intermediate shapes, their
    own metadata) is dropped: it may name this machine, and it changes from run to run.
    Equal networks and facts give equal bytes.

    Args:
        facts: metadata_props of the file, e.g. name, version, licence.
    """
    stamped = onnx.ModelProto()
    stamped.CopyFrom(network)
    stamped.doc_string = stamped.graph.doc_string = ""
    del stamped.metadata_props[:], stamped.graph.metadata_props[:]
    del stamped.graph.value_info[:]
    for node in stamped.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*stamped.graph.input, *stamped.graph.output, *stamped.graph.initializer):
        value.doc_string = ""
    helper.set_model_props(stamped, dict(sorted(facts.items())))
    onnx.checker.check_model(stamped)
    write(stamped.SerializeToString(deterministic=True), path)


def save_json(content: object, path: Path) -> None:
    write((json.dumps(content, indent=1) + "\n").encode(), path)


def write(content: bytes, path: Path) -> None:
    """Put `content` at `path`, whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.chmod(0o644)  # mkstemp's own is for this user only
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
