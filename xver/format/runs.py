"""Runs as canonical JSON. Numbers that may be fractions (parameters, metrics) stand as their JSON text.

A record holds what is known and leaves out what is not, so that most runs stay small.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from xver.errors import CorruptData, InvalidInput
from xver.format.canonical import Json, decode_json, encode_json
from xver.format.fields import (
    array,
    check_version,
    flag,
    id_bytes,
    integer,
    natural,
    optional,
    table,
    text,
    word,
)
from xver.model.paths import parse_path
from xver.model.runs import Attachment, Code, Evidence, Input, Metric, Output, Run, Scalar, Source, State, Status

_FORMAT: Final = 1
_ULID: Final = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")


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
        "sources": [_source(one) for one in run.sources],
        "started": run.started,
        "status": str(run.status),
        "tags": list[Json](run.tags),
        "title": run.title,
        "ulid": run.ulid,
        "user": run.user,
    }
    return encode_json(_pruned(record))


def decode_run(data: bytes) -> Run:
    """Return the run in `data`; raises `CorruptData` or `UnsupportedFormat`."""
    record = decode_json(data, "run")
    check_version(record, _FORMAT, "run")
    try:
        return Run(
            ulid=_ulid(record["ulid"]),
            name=text(record["name"]),
            status=word(Status, record["status"]),
            command=_texts(record, "command"),
            directory=text(record.get("directory", "")),
            started=natural(record["started"]),
            duration=natural(record["duration"]),
            user=text(record.get("user", "")),
            host=text(record.get("host", "")),
            title=text(record.get("title", "")),
            exit_code=optional(integer, record.get("exit_code")),
            signal=optional(integer, record.get("signal")),
            parent=optional(_ulid, record.get("parent")),
            code=_read_code(table(record.get("code", {}))),
            environment=_text_map(record, "environment"),
            packages=_text_map(record, "packages"),
            params={key: read_scalar(value) for key, value in table(record.get("params", {})).items()},
            metrics={key: _read_metric(table(one)) for key, one in table(record.get("metrics", {})).items()},
            series=optional(_read_attachment, record.get("series")),
            tags=_texts(record, "tags"),
            note=text(record.get("note", "")),
            inputs=tuple(_read_input(table(one)) for one in array(record.get("inputs", []))),
            outputs=tuple(_read_output(table(one)) for one in array(record.get("outputs", []))),
            sources=tuple(_read_source(table(one)) for one in array(record.get("sources", []))),
            capture=_texts(record, "capture"),
            notes=_texts(record, "notes"),
        )
    except (KeyError, InvalidInput) as error:
        raise CorruptData(f"run is damaged: {error}") from error


def scalar_text(value: Scalar) -> str:
    """Return a parameter's or metric's value as JSON text; NaN and infinities as `NaN`, `Infinity`, `-Infinity`."""
    return json.dumps(value, ensure_ascii=False)


def read_scalar(encoded: Any) -> Scalar:
    """Return the value in a record's JSON text; raises `InvalidInput` for lists, objects and what is no JSON."""
    try:
        value = json.loads(text(encoded))
        if isinstance(value, str):
            value.encode()
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{str(encoded)[:80]!r} is no JSON") from error
    if not (value is None or isinstance(value, str | int | float | bool)):
        raise InvalidInput(f"{encoded[:80]!r} is no single value")
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
    return Input(
        path=parse_path(text(record["path"])),
        id=optional(id_bytes, record.get("id")),
        size=natural(record["size"]),
        evidence=word(Evidence, record["evidence"]),
        state=word(State, record["state"]),
        role=text(record.get("role", "data")),
        files=optional(natural, record.get("files")),
        read=optional(natural, record.get("read")),
        members=optional(_read_attachment, record.get("members")),
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
    return Output(
        path=parse_path(text(record["path"])),
        id=id_bytes(record["id"]),
        size=natural(record["size"]),
        evidence=word(Evidence, record["evidence"]),
        kept=flag(record["kept"]),
        files=optional(natural, record.get("files")),
        written=optional(natural, record.get("written")),
        members=optional(_read_attachment, record.get("members")),
        before=optional(id_bytes, record.get("before")),
    )


def _source(one: Source) -> Json:
    return _pruned(
        {
            "endpoint_url": one.endpoint_url,
            "members": _attachment(one.members),
            "modified": one.modified,
            "path": one.path,
            "uri": one.uri,
            "version": one.version,
        }
    )


def _read_source(record: dict[str, Any]) -> Source:
    return Source(
        path=parse_path(text(record["path"])),
        uri=text(record["uri"]),
        version=text(record.get("version", "")),
        modified=text(record.get("modified", "")),
        endpoint_url=optional(text, record.get("endpoint_url")),
        members=optional(_read_attachment, record.get("members")),
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
    return Metric(
        last=_number(record["last"]),
        step=optional(_number, record.get("step")),
        minimum=_number(record["min"]),
        maximum=_number(record["max"]),
        count=natural(record["count"]),
    )


def _attachment(one: Attachment | None) -> Json:
    return None if one is None else {"id": one.id.hex(), "size": one.size}


def _read_attachment(value: Any) -> Attachment:
    record = table(value)
    return Attachment(id_bytes(record["id"]), natural(record["size"]))  # type: ignore[arg-type]


def _read_code(record: dict[str, Any]) -> Code:
    return Code(
        commit=optional(text, record.get("commit")),
        branch=optional(text, record.get("branch")),
        dirty=flag(record.get("dirty", False)),
        patch=optional(_read_attachment, record.get("patch")),
        files={parse_path(path): _read_attachment(one) for path, one in table(record.get("files", {})).items()},
        url=optional(text, record.get("url")),
    )


def _pruned(record: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in record.items() if value is not None and value not in ("", [], {})}


def _ulid(value: Any) -> str:
    if not _ULID.fullmatch(text(value)):
        raise InvalidInput(f"{value[:80]!r} is no ULID")
    return str(value)


def _number(encoded: Any) -> float:
    value = read_scalar(encoded)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidInput(f"{encoded[:80]!r} is no number")
    return float(encoded)  # an integer too large for a float is infinite here; float(value) would raise


def _texts(record: dict[str, Any], key: str) -> tuple[str, ...]:
    return tuple(text(one) for one in array(record.get(key, [])))


def _text_map(record: dict[str, Any], key: str) -> dict[str, str]:
    return {name: text(value) for name, value in table(record.get(key, {})).items()}
