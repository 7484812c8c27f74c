"""Tensors by name, in safetensors, npy and npz; and files that are only bytes."""

from __future__ import annotations

import io
import json
import math
import random
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xver.content import tensors
from xver.content.changes import BytesChanges, TensorChanges, TensorForm

from .tables import compare_texts


def safetensors(entries: Mapping[str, tuple[str, tuple[int, ...], bytes]], **metadata: str) -> bytes:
    """Return a file, written from the specification."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, (dtype, shape, content) in entries.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def npz(**arrays: Any) -> bytes:
    sink = io.BytesIO()
    np.savez_compressed(sink, **arrays)
    return sink.getvalue()


def npy(array: Any) -> bytes:
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


def compared(folder: Path, name: str, before: bytes, after: bytes) -> TensorChanges:
    found = compare_texts(folder, name, before, after)
    assert isinstance(found, TensorChanges), found
    return found


def test_tensors_added_removed_and_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "_ELEMENTS", 100)
    weights = np.linspace(-1, 1, 1234, dtype=np.float32)
    edited = weights.copy()
    edited[[5, 900]] += (3, 4)
    one = {"w": ("F32", (2, 617), weights.tobytes()), "same": ("I64", (1,), bytes(8)), "gone": ("U8", (0,), b"")}
    two = {"w": ("F32", (2, 617), edited.tobytes()), "same": ("I64", (1,), bytes(8)), "new": ("BOOL", (2,), bytes(2))}
    found = compared(tmp_path, "m.safetensors", safetensors(one), safetensors(two, step="2"))
    assert [one.name for one in found.tensors] == ["w", "new", "gone"]
    assert (found.unchanged, found.metadata) == (1, True)
    change = found.tensors[0]
    assert change.norm == pytest.approx(5)
    assert change.relative == pytest.approx(5 / float(np.linalg.norm(weights.astype(np.float64))))
    assert change.largest == pytest.approx(4)
    assert change.elements == 2
    assert found.tensors[1].after == TensorForm("BOOL", (2,))


def test_another_type_of_the_same_shape_is_subtracted(tmp_path: Path) -> None:
    values = np.array([1.0, -2.0, 3.0], np.float32)
    halves = (values.view(np.uint32) >> 16).astype("<u2")
    one, two = {"w": ("F32", (3,), values.tobytes())}, {"w": ("BF16", (3,), halves.tobytes())}
    change = compared(tmp_path, "m.safetensors", safetensors(one), safetensors(two)).tensors[0]
    assert (change.norm, change.elements) == (0, 0)
    other = {"w": ("F32", (1, 3), values.tobytes())}
    change = compared(tmp_path, "m.safetensors", safetensors(one), safetensors(other)).tensors[0]
    assert change.norm is None


def test_an_archive_is_opened_once_whatever_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = (npz(**{f"a{at}": np.arange(at + 1) * factor for at in range(20)}) for factor in (1, 2))
    opened, real = [], zipfile.ZipFile

    def counted(file: Any) -> zipfile.ZipFile:
        opened.append(file)
        return real(file)

    monkeypatch.setattr(zipfile, "ZipFile", counted)
    found = compared(tmp_path, "m.npz", before, after)
    assert (len(found.tensors), found.unchanged) == (19, 1)
    assert len(opened) == 2
    assert all(file.closed for file in opened)


def test_npz_and_npy(tmp_path: Path) -> None:
    found = compared(tmp_path, "m.npz", npz(a=np.eye(3), b=np.arange(4)), npz(a=np.eye(3) * 2, c=np.arange(4)))
    assert [(one.name, one.norm) for one in found.tensors] == [
        ("a", pytest.approx(math.sqrt(3))),
        ("c", None),
        ("b", None),
    ]
    nan = np.array([np.nan, 1, 2])
    assert compared(tmp_path, "m.npy", npy(nan), npy(nan + 0.0)).tensors == ()
    complex_ = np.array([1 + 1j, 2])
    assert compared(tmp_path, "m.npy", npy(complex_), npy(complex_ + 3j)).tensors[0].largest == pytest.approx(3)
    records = np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")])
    assert compared(tmp_path, "m.npy", npy(records), npy(records.copy())).unchanged == 1
    turned = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert compared(tmp_path, "m.npy", npy(turned), npy(np.ascontiguousarray(turned))).tensors[0].norm is None


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    data = npy(np.array([{"a": 1}], object))
    found = compare_texts(tmp_path, "m.npy", data, npy(np.arange(3)))
    assert isinstance(found, BytesChanges)
    assert found.reason == "no npy to be read: it holds Python objects, which are never loaded"


def test_a_shape_below_nothing_is_none(tmp_path: Path) -> None:
    data = npy(np.arange(1000)).replace(b"(1000,)", b"(-100,)")
    found = compare_texts(tmp_path, "m.npy", data, npy(np.arange(3)))
    assert isinstance(found, BytesChanges)
    assert found.reason == "no npy to be read: its header is no header of NumPy"


def test_tensors_that_end_too_early(tmp_path: Path) -> None:
    whole = npy(np.arange(1000.0))
    found = compare_texts(tmp_path, "m.npy", whole, whole[:-100])
    assert isinstance(found, BytesChanges)
    assert found.reason == "no npy to be read: it ends too early"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80\0\0\x01\xe0", "PNG image 640 × 480"),
        (b"GIF89a\x40\x01\xc8\0", "GIF image 320 × 200"),
        (b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\0\x64\0\xc8" + bytes(20), "JPEG image 200 × 100"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WebP image"),
        ("žluťoučký".encode(), "text"),
        (b"\xfe\xff\0", "data"),
        (b"", "empty"),
    ],
)
def test_kinds_of_files(tmp_path: Path, content: bytes, kind: str) -> None:
    found = compare_texts(tmp_path, "x", content, content + b"x" * bool(content))
    assert isinstance(found, BytesChanges)
    assert found.before == kind
    assert found.reason is None


def test_bytes_in_common(tmp_path: Path) -> None:
    before = random.Random(1).randbytes(2_000_000)
    after = before[:1_000_000] + b"inserted" + before[1_000_000:]
    found = compare_texts(tmp_path, "x.bin", before, after)
    assert isinstance(found, BytesChanges)
    assert 1_600_000 < found.shared < 2_000_000
