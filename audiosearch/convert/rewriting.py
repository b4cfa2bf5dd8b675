"""A graph that is being rewritten: who makes and who reads a tensor, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper, shape_inference

from audiosearch._typing import AnyArray, Floats
from audiosearch.training.export.onnx_files import float_weights


class Rewriting:
    """A copy of a model, node by node."""

    def __init__(self, model: ModelProto) -> None:
        self._model = ModelProto()
        self._model.CopyFrom(model)
        self._outputs = {each.name for each in model.graph.output}
        self.weights = float_weights(model)
        """Float weights by name."""
        self.nodes = list(self._model.graph.node)
        inferred = shape_inference.infer_shapes(model, data_prop=True).graph.value_info
        self._shapes = {each.name: each.type.tensor_type.shape.dim for each in inferred}

    def of_kind(self, kind: str) -> list[NodeProto]:
        """All nodes of a kind, in their order."""
        return [node for node in self.nodes if node.op_type == kind]

    def maker(self, name: str, kind: str) -> NodeProto | None:
        """The node that makes a tensor, if it is of this kind."""
        found: list[NodeProto] = [node for node in self.of_kind(kind) if name in node.output]
        return found[0] if found else None

    def only_reader(self, name: str, kind: str) -> NodeProto | None:
        """The node that alone reads a tensor, if it is of this kind."""
        found: list[NodeProto] = [node for node in self.nodes if name in node.input]
        if len(found) != 1 or found[0].op_type != kind or name in self._outputs:
            return None
        return found[0]

    def length(self, name: str, axis: int) -> int:
        """How long a tensor is along an axis; 0 if it varies."""
        shape = self._shapes.get(name, ())
        return int(shape[axis].dim_value) if len(shape) > axis else 0

    def constant_size(self, name: str) -> int | None:
        """How many numbers a constant has; None of what is none."""
        for node in self.of_kind("Constant"):
            if name in node.output and node.attribute[0].name == "value":
                return int(numpy_helper.to_array(node.attribute[0].t).size)
        stored = {each.name: each for each in self._model.graph.initializer}
        return int(numpy_helper.to_array(stored[name]).size) if name in stored else None

    def weighted(self, node: NodeProto) -> tuple[str, Floats] | None:
        """Of a node with two inputs what it is given, and the weight that the other one is."""
        one, other = node.input
        if other in self.weights:
            return one, self.weights[other]
        return (other, self.weights[one]) if one in self.weights else None

    def constant(self, name: str, values: AnyArray) -> str:
        """Keep a new weight under this name, and return it."""
        kept = np.asarray(values, order="C")
        self._model.graph.initializer.append(numpy_helper.from_array(kept, name))
        if kept.dtype == np.float32:
            self.weights[name] = kept
        return name

    def put(self, old: NodeProto, *new: NodeProto) -> None:
        """Put nodes in place of one."""
        place = next(place for place, node in enumerate(self.nodes) if node is old)
        self.nodes[place : place + 1] = new

    def rename(self, name: str, other: str) -> None:
        """Have `other` read wherever `name` is."""
        for node in self.nodes:
            for place, each in enumerate(node.input):
                if each == name:
                    node.input[place] = other

    def drop_double_transposes(self) -> None:
        """Leave out each transpose that undoes the one before it."""
        for node in self.of_kind("Transpose"):
            before = self.maker(node.input[0], "Transpose")
            if before is not None:
                first, then = order(before), order(node)
                if [first[axis] for axis in then] == list(range(len(then))):
                    self.rename(node.output[0], before.input[0])
        self.drop_unread()

    def drop_copies(self) -> None:
        """Compute once what is computed twice."""
        known: dict[bytes, NodeProto] = {}
        for node in self.nodes:
            form = NodeProto(op_type=node.op_type, domain=node.domain, input=node.input)
            form.attribute.extend(node.attribute)
            first = known.setdefault(form.SerializeToString(deterministic=True), node)
            if first is not node and not self._outputs.intersection(node.output):
                for name, other in zip(node.output, first.output, strict=True):
                    self.rename(name, other)
        self.drop_unread()

    def drop_unread(self) -> None:
        """Leave out what nothing reads."""
        read, kept = set(self._outputs), []
        for node in reversed(self.nodes):
            if read.intersection(node.output):
                kept.append(node)
                read.update(node.input)
        self.nodes = kept[::-1]

    def put_in_order(self) -> None:
        """Put each node behind those that make what it reads."""
        waiting, ordered = self.nodes, list[NodeProto]()
        while waiting:
            missing = {name for node in waiting for name in node.output}
            ready = [node for node in waiting if missing.isdisjoint(node.input)]
            waiting = [node for node in waiting if not missing.isdisjoint(node.input)]
            ordered += ready
        self.nodes = ordered

    def finished(self) -> ModelProto:
        """The model as it has become."""
        self.drop_unread()
        graph = self._model.graph
        read = {name for node in self.nodes for name in node.input}
        nodes = [_copy(node) for node in self.nodes]
        weights = [each for each in graph.initializer if each.name in read]
        del graph.node[:]
        del graph.initializer[:]
        del graph.value_info[:]
        graph.node.extend(nodes)
        graph.initializer.extend(weights)
        return self._model


def settings(node: NodeProto) -> dict[str, Any]:
    """A node's attributes by name."""
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def order(transpose: NodeProto) -> Sequence[int]:
    """The axes of what a transpose gives, as those of what it is given."""
    found: Sequence[int] = settings(transpose)["perm"]
    return found


def _copy(node: NodeProto) -> NodeProto:
    copied = NodeProto()
    copied.CopyFrom(node)
    return copied
