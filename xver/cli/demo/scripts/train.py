"""Train a model that reads a source file and says which package it belongs to.

Reads   data/features/*.parquet
Writes  models/model.npz, the weights, and metrics.json, what the model is worth

Softmax regression (multinomial logistic regression) by gradient descent, in numpy. One file in five is held out and
only measured on; a file's path decides on which side it stands, so it stays there in every version of the data.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

FEATURES = Path("data/features")
MODEL = Path("models/model.npz")
METRICS = Path("metrics.json")
WIDTH = 4096  # as in prepare.py
FEWEST = 20  # files that an area must have to be worth learning
LENGTH = 8.0  # that each file's vector is scaled to, so that a long file counts as much as a short one


class Examples(NamedTuple):
    """Files as the model sees them."""

    x: NDArray[np.float32]  # (files, WIDTH): how often each word stands in a file, on a log scale
    y: NDArray[np.intp]  # (files,): the number of the file's area
    held_out: NDArray[np.bool_]  # (files,): measured on, never learned from
    areas: list[str]


def load() -> Examples:
    """Read the features of all areas that are large enough."""
    areas: list[str] = []
    rows, labels, held_out = [], [], []
    for path in sorted(FEATURES.glob("*.parquet")):
        table = pq.read_table(path)
        if table.num_rows < FEWEST:
            continue
        for row in table.to_pylist():
            weights = np.zeros(WIDTH, np.float32)
            weights[row["words"]] = np.log1p(row["counts"])
            rows.append(weights * (LENGTH / max(float(np.linalg.norm(weights)), 1.0)))
            labels.append(len(areas))
            held_out.append(crc32(row["path"].encode()) % 5 == 0)
        areas.append(path.stem)
    return Examples(np.stack(rows), np.array(labels), np.array(held_out), areas)


def probabilities(x: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return for each file how likely each area is (softmax)."""
    scores = x @ weights
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def train(examples: Examples, *, lr: float, epochs: int, batch: int = 64) -> NDArray[np.float32]:
    """Return weights (WIDTH, areas), found by stochastic gradient descent on the files that are not held out."""
    x, y = examples.x[~examples.held_out], examples.y[~examples.held_out]
    truth = np.eye(len(examples.areas), dtype=np.float32)[y]
    weights = np.zeros((WIDTH, len(examples.areas)), np.float32)
    order = np.random.default_rng(seed=0)
    for _ in range(epochs):
        for part in np.array_split(order.permutation(len(x)), max(1, len(x) // batch)):
            error = probabilities(x[part], weights) - truth[part]
            weights -= lr * (x[part].T @ error) / len(part)
    return weights


def measure(examples: Examples, weights: NDArray[np.float32]) -> dict[str, float | int]:
    """Return the accuracy on held-out files, beside that of always naming the area with the most files."""
    x, y = examples.x[examples.held_out], examples.y[examples.held_out]
    commonest = np.bincount(examples.y[~examples.held_out]).argmax()
    return {
        "accuracy": round(float((probabilities(x, weights).argmax(axis=1) == y).mean()), 4),
        "majority": round(float((y == commonest).mean()), 4),
        "areas": len(examples.areas),
        "trained_on": int((~examples.held_out).sum()),
        "measured_on": int(examples.held_out.sum()),
    }


def main() -> None:
    """Train, measure, and write both down."""
    parser = argparse.ArgumentParser(description="Train the model.")
    parser.add_argument("--lr", type=float, default=0.5, help="learning rate")
    parser.add_argument("--epochs", type=int, default=20, help="how often each file is learned from")
    options = parser.parse_args()

    examples = load()
    weights = train(examples, lr=options.lr, epochs=options.epochs)
    metrics = measure(examples, weights)

    MODEL.parent.mkdir(exist_ok=True)
    np.savez_compressed(MODEL, weights=weights, areas=np.array(examples.areas))
    METRICS.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    print(f"accuracy {metrics['accuracy']:.3f} on {metrics['measured_on']} files never seen in training", end=" ")
    print(f"(the same guess for all: {metrics['majority']:.3f})")


if __name__ == "__main__":
    main()
