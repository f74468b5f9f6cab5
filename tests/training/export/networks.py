"""A YOLO segmentation network in small: named, shaped and wired like a YOLO11-seg export."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

COEFFICIENTS = 32
CHANNELS = 8
STRIDES = (8, 16, 32)


def tiny(seed: int = 0) -> onnx.ModelProto:
    """One class; `images` [B, 3, H, W] to `output0` [B, 37, N] and `output1` [B, 32, H/4, W/4].

    Untrained: the boxes are cell centres with sides of 8 to 48 pixels, the rest is noise.
    """
    drawn = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def constant(name: str, values: object, dtype: type = np.float32) -> str:
        weights.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def node(kind: str, name: str, inputs: list[str], **attributes: Any) -> str:
        output = f"{name}_output"
        nodes.append(helper.make_node(kind, inputs, [output], name=name, **attributes))
        return output

    def conv(name: str, source: str, into: int, stride: int, channels: int = CHANNELS) -> str:
        kernel = drawn.normal(0, 0.35, (into, channels, 3, 3))
        inputs = [
            source,
            constant(f"{name}.weight", kernel),
            constant(f"{name}.bias", [0.1] * into),
        ]
        return node("Conv", f"{name}/Conv", inputs, strides=[stride] * 2, pads=[1] * 4)

    def block(name: str, source: str, stride: int, channels: int = CHANNELS) -> str:
        raw = conv(f"{name}/conv", source, CHANNELS, stride, channels)
        gate = node("Sigmoid", f"{name}/act/Sigmoid", [raw])
        return node("Mul", f"{name}/act/Mul", [raw, gate])

    quarter = block("/model.1", block("/model.0", "images", 2, channels=3), 2)
    features = [block("/model.3", quarter, 2)]
    features.append(block("/model.5", features[0], 2))
    features.append(block("/model.10", features[1], 2))
    head = "/model.23"
    flat = constant("flat", [0, 0, -1], np.int64)
    parts: dict[str, list[str]] = {"cv2": [], "cv3": [], "cv4": []}
    for level, (feature, stride) in enumerate(zip(features, STRIDES, strict=True)):
        for branch, into in (("cv2", 4), ("cv3", 1), ("cv4", COEFFICIENTS)):
            inner = f"{head}/{branch}.{level}/{branch}.{level}"
            answer = conv(f"{inner}.2", block(f"{inner}.0", feature, 1), into, 1)
            if branch == "cv2":
                side = constant(f"stride{level}", float(stride * 10))
                answer = node("Sigmoid", f"{head}/Squash{level}", [answer])
                answer = node("Mul", f"{head}/Scale{level}", [answer, side])
            parts[branch].append(node("Reshape", f"{head}/Reshape_{branch}{level}", [answer, flat]))
    # As in the real network, boxes and scores meet in one tensor.
    boxes, logits, coefficients = (
        node("Concat", f"{head}/Concat_{branch}", levels, axis=2)
        for branch, levels in parts.items()
    )
    scores = node("Sigmoid", f"{head}/Sigmoid", [logits])
    node("Concat", f"{head}/Concat_all", [boxes, scores, coefficients], axis=1)
    prototypes = block(f"{head}/proto/cv1", quarter, 1)
    conv(f"{head}/proto/cv3/conv", prototypes, COEFFICIENTS, 1)
    nodes[-1].output[0] = "output1"
    next(each for each in nodes if each.name.endswith("all")).output[0] = "output0"

    def value(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "tiny",
        [value("images", ["batch", 3, "height", "width"])],
        [
            value("output0", ["batch", 4 + 1 + COEFFICIENTS, "anchors"]),
            value("output1", ["batch", COEFFICIENTS, "mask_height", "mask_width"]),
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model
