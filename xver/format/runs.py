"""Runs as canonical JSON. Numbers that may be fractions (parameters, metrics) stand as their JSON text.

A record holds what is known and leaves out what is not, so that most runs stay small.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from xver.errors import CorruptData, InvalidInput
from xver.format.canonical import Json, decode_json, encode_json
from xver.format.snapshots import check_version, read_id
from xver.model.runs import Attachment, Code, Evidence, Input, Metric, Output, Run, Scalar, State, Status

_FORMAT: Final = 1
_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def encode_run(run: Run) -> bytes:
    """Return the bytes of a run; its id is their hash."""
    record: dict[str, Json] = {
        "capture": list[Json](run.capture),
        "code": _pruned(
            {
                "branch": run.code.branch,
                "commit": run.code.commit,
                "dirty": run.code.dirty,
                "files": {path: _attachment(one) for path, one in run.code.files.items()},
                "patch": _attachment(run.code.patch),
                "url": run.code.url,
            }
        ),
        "command": list[Json](run.command),
        "directory": run.directory,
        "duration": run.duration,
        "environment": dict[str, Json](run.environment),
        "exit_code": run.exit_code,
        "format": _FORMAT,
        "host": run.host,
        "inputs": [_input(one) for one in run.inputs],
        "metrics": {key: _metric(one) for key, one in run.metrics.items()},
        "name": run.name,
        "note": run.note,
        "notes": list[Json](run.notes),
        "outputs": [_output(one) for one in run.outputs],
        "packages": dict[str, Json](run.packages),
        "params": {key: scalar_text(value) for key, value in run.params.items()},
        "parent": run.parent,
        "series": _attachment(run.series),
        "signal": run.signal,
        "started": run.started,
        "status": str(run.status),
        "tags": list[Json](run.tags),
        "ulid": run.ulid,
        "user": run.user,
    }
    return encode_json(_pruned(record))


def decode_run(data: bytes) -> Run:
    """Return the run in `data`; raises `CorruptData` or `UnsupportedFormat`."""
    record = decode_json(data, "run")
    check_version(record, _FORMAT, "run")
    try:
        code = record.get("code", {})
        return Run(
            ulid=_text(record["ulid"]),
            name=_text(record["name"]),
            status=Status(record["status"]),
            command=_texts(record, "command"),
            directory=_text(record.get("directory", "")),
            started=_integer(record["started"]),
            duration=_integer(record["duration"]),
            user=_text(record.get("user", "")),
            host=_text(record.get("host", "")),
            exit_code=record.get("exit_code"),
            signal=record.get("signal"),
            parent=record.get("parent"),
            code=Code(
                commit=code.get("commit"),
                branch=code.get("branch"),
                dirty=code.get("dirty", False),
                patch=_read_attachment(code.get("patch")),
                files={path: _attached(one) for path, one in code.get("files", {}).items()},
                url=code.get("url"),
            ),
            environment=_text_map(record, "environment"),
            packages=_text_map(record, "packages"),
            params={key: read_scalar(value) for key, value in record.get("params", {}).items()},
            metrics={key: _read_metric(one) for key, one in record.get("metrics", {}).items()},
            series=_read_attachment(record.get("series")),
            tags=_texts(record, "tags"),
            note=_text(record.get("note", "")),
            inputs=tuple(_read_input(one) for one in record.get("inputs", ())),
            outputs=tuple(_read_output(one) for one in record.get("outputs", ())),
            capture=_texts(record, "capture"),
            notes=_texts(record, "notes"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptData(f"run is damaged: {error}") from error


def scalar_text(value: Scalar) -> str:
    """Return a parameter's or metric's value as JSON text; NaN and infinities as `NaN`, `Infinity`, `-Infinity`."""
    return json.dumps(value, ensure_ascii=False)


def read_scalar(text: Any) -> Scalar:
    """Return the value in a record's JSON text; raises `InvalidInput` for lists and objects."""
    value = json.loads(_text(text))
    if not (value is None or isinstance(value, str | int | float | bool)):
        raise InvalidInput(f"{text[:80]!r} is no single value")
    return value


def _input(one: Input) -> Json:
    return _pruned(
        {
            "evidence": str(one.evidence),
            "files": one.files,
            "id": None if one.id is None else one.id.hex(),
            "members": _attachment(one.members),
            "path": one.path,
            "read": one.read,
            "role": one.role,
            "size": one.size,
            "state": str(one.state),
        }
    )


def _read_input(record: dict[str, Any]) -> Input:
    id = record.get("id")
    return Input(
        path=_text(record["path"]),
        id=None if id is None else read_id(id),
        size=_integer(record["size"]),
        evidence=Evidence(record["evidence"]),
        state=State(record["state"]),
        role=_text(record.get("role", "data")),
        files=_optional_integer(record, "files"),
        read=_optional_integer(record, "read"),
        members=_read_attachment(record.get("members")),
    )


def _output(one: Output) -> Json:
    return _pruned(
        {
            "before": None if one.before is None else one.before.hex(),
            "evidence": str(one.evidence),
            "files": one.files,
            "id": one.id.hex(),
            "kept": one.kept,
            "members": _attachment(one.members),
            "path": one.path,
            "size": one.size,
            "written": one.written,
        }
    )


def _read_output(record: dict[str, Any]) -> Output:
    before = record.get("before")
    return Output(
        path=_text(record["path"]),
        id=read_id(record["id"]),
        size=_integer(record["size"]),
        evidence=Evidence(record["evidence"]),
        kept=record["kept"] is True,
        files=_optional_integer(record, "files"),
        written=_optional_integer(record, "written"),
        members=_read_attachment(record.get("members")),
        before=None if before is None else read_id(before),
    )


def _metric(one: Metric) -> Json:
    return _pruned(
        {
            "count": one.count,
            "last": scalar_text(one.last),
            "max": scalar_text(one.maximum),
            "min": scalar_text(one.minimum),
            "step": None if one.step is None else scalar_text(one.step),
        }
    )


def _read_metric(record: dict[str, Any]) -> Metric:
    step = record.get("step")
    return Metric(
        last=_number(record["last"]),
        step=None if step is None else _number(step),
        minimum=_number(record["min"]),
        maximum=_number(record["max"]),
        count=_integer(record["count"]),
    )


def _attachment(one: Attachment | None) -> Json:
    return None if one is None else {"id": one.id.hex(), "size": one.size}


def _read_attachment(record: Any) -> Attachment | None:
    return None if record is None else _attached(record)


def _attached(record: dict[str, Any]) -> Attachment:
    return Attachment(read_id(record["id"]), _integer(record["size"]))  # type: ignore[arg-type]


def _pruned(record: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in record.items() if value is not None and value not in ("", [], {})}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{value!r} is no text")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidInput(f"{value!r} is no natural number")
    return value


def _optional_integer(record: dict[str, Any], key: str) -> int | None:
    value = record.get(key)
    return None if value is None else _integer(value)


def _number(text: Any) -> float:
    value = _SPECIAL.get(_text(text))
    return float(text) if value is None else value


def _texts(record: dict[str, Any], key: str) -> tuple[str, ...]:
    return tuple(_text(one) for one in record.get(key, ()))


def _text_map(record: dict[str, Any], key: str) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in record.get(key, {}).items()}
