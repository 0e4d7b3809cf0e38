"""Find the likeliest label of a line by its vector, as fastText does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import part
from metaclip_spark.extract.fasttext.vectors import LANES, dot

_CLOSE = 1.0005
"""Labels whose scores have at most this ratio are searched in fastText's order. fastText adds 1e-5 to each factor of a
score, so a leaf of a tree may exceed the node above it, by less than this."""
_TINY = 1e-5

Vector = npt.NDArray[np.float32]


@part
def product_of(hidden: Vector, output: npt.NDArray[np.float32], row: int) -> np.float32:
    """Return the product of a vector and a row of a matrix."""
    total, whole = np.float32(0), len(hidden) & ~(LANES - 1)
    for column in range(0, whole, LANES):
        total += dot(hidden, output, row, column)
    for column in range(whole, len(hidden)):
        total += hidden[column] * output[row, column]
    return total


@part
def search_tree(
    hidden: Vector,
    output: npt.NDArray[np.float32],
    children: npt.NDArray[np.int32],
    nodes: npt.NDArray[np.int32],
    scores: npt.NDArray[np.float64],
) -> Any:
    """Return the likeliest label of hierarchical softmax and its score; -1 for none.

    The likelier branch is followed first, so most others end early.

    Args:
        children: (2 * nodes,), the left and the right child of each node; labels are the first nodes.
        nodes, scores: room for a stack.
    """
    best, score, second = -1, 0.0, 0.0
    n_labels, depth = len(output), 1
    nodes[0], scores[0] = 2 * n_labels - 2, 1.0
    while depth > 0:
        depth -= 1
        node, at_node = np.int64(nodes[depth]), scores[depth]
        if at_node < _TINY or at_node * _CLOSE < score:
            continue
        if node < n_labels:
            if at_node > score:
                best, second, score = node, score, at_node
            elif at_node > second:
                second = at_node
            continue
        value = product_of(hidden, output, node - n_labels)
        right = float(np.float32(1.0 / (1.0 + math.exp(-value))))
        left_score = at_node * (float(np.float32(1.0 - right)) + _TINY)
        right_score = at_node * (right + _TINY)
        is_right = np.int64(right > 0.5)
        nodes[depth], nodes[depth + 1] = children[2 * node + 1 - is_right], children[2 * node + is_right]
        scores[depth], scores[depth + 1] = min(left_score, right_score), max(left_score, right_score)
        depth += 2
    if second * _CLOSE >= score:
        return _search_in_order(hidden, output, children, nodes, scores)
    return best, score


@part
def _search_in_order(
    hidden: Vector,
    output: npt.NDArray[np.float32],
    children: npt.NDArray[np.int32],
    nodes: npt.NDArray[np.int32],
    scores: npt.NDArray[np.float64],
) -> Any:
    """Do as `search_tree` does, in the order and with the logarithms of fastText, which decide near ties."""
    best, score = -1, -np.inf
    n_labels, least, depth = len(output), np.float32(math.log(_TINY)), 1
    nodes[0], scores[0] = 2 * n_labels - 2, 0.0
    while depth > 0:
        depth -= 1
        node, at_node = np.int64(nodes[depth]), scores[depth]
        if at_node < least or (best >= 0 and at_node < score):
            continue
        if node < n_labels:
            if best < 0 or at_node > score:
                best, score = node, at_node
            continue
        value = product_of(hidden, output, node - n_labels)
        right = float(np.float32(1.0 / (1.0 + math.exp(-value))))
        left = float(np.float32(1.0 - right))
        nodes[depth], nodes[depth + 1] = children[2 * node + 1], children[2 * node]
        scores[depth] = np.float32(at_node + np.float32(math.log(right + _TINY)))
        scores[depth + 1] = np.float32(at_node + np.float32(math.log(left + _TINY)))
        depth += 2
    return best, math.exp(score) if best >= 0 else 0.0


@part
def search_softmax(hidden: Vector, output: npt.NDArray[np.float32], values: npt.NDArray[np.float64]) -> Any:
    """Return the likeliest label of softmax, and its score. values: room for one per label."""
    best, highest = 0, np.float32(-np.inf)
    for label in range(len(output)):
        value = product_of(hidden, output, label)
        values[label] = value
        if value > highest:
            best, highest = label, value
    total = 0.0
    for label in range(len(output)):
        total += math.exp(values[label] - float(highest))
    return best, 1.0 / total + _TINY
