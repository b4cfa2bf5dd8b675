"""The weights of a graph, however they are stored.

In: an ONNX graph. Out: its float weights by the name under which nodes read them, in float32. It
changes nothing.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from audiosearch._typing import Floats


def float_weights(model: ModelProto) -> dict[str, Floats]:
    """Float weights by name, also those that are stored as float16 and widened by a node."""
    stored = {each.name: each for each in model.graph.initializer}
    found = {
        name: numpy_helper.to_array(each)
        for name, each in stored.items()
        if each.data_type == TensorProto.FLOAT
    }
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in stored:
            to = {item.name: helper.get_attribute_value(item) for item in node.attribute}["to"]
            if to == TensorProto.FLOAT:
                values = numpy_helper.to_array(stored[node.input[0]])
                found[node.output[0]] = values.astype(np.float32)
    return found
