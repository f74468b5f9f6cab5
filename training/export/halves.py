"""Weights kept as float16 and computed with as float32: half the file, the same speed."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_LEAST = 256
"""Elements below which a tensor isn't worth a node: biases, shapes and constants stay."""


def store_halves(network: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `network` with its large float32 initialisers stored as float16.

    Each is followed by a Cast back to float32, which ONNX Runtime folds when it loads the
    file: from then on memory, speed and arithmetic are those of the float32 network, and the
    weights are rounded to 11 significant bits. What float16 can't hold (beyond 65504) stays.
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(network)
    casts = []
    for tensor in halved.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _LEAST:
            continue
        weights = numpy_helper.to_array(tensor)
        if np.abs(weights).max() > np.finfo(np.float16).max:
            continue
        name, stored = tensor.name, f"{tensor.name}.half"
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), stored))
        casts.append(
            helper.make_node("Cast", [stored], [name], name=f"{name}.cast", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *halved.graph.node]
    del halved.graph.node[:]
    halved.graph.node.extend(nodes)
    return halved
