"""Runs as JSON has them: sizes in bytes, times in seconds since 1970, durations in seconds, ids in hex."""

from __future__ import annotations

from typing import Any

from xver.model.runs import Attachment, Input, Metric, Output, Run, Source


def run_json(run: Run) -> dict[str, Any]:
    """Return everything a record holds but its packages, which `runs show --json` adds."""
    return {
        "id": run.ulid,
        "name": run.name,
        "title": run.title,
        "status": str(run.status),
        "command": list(run.command),
        "directory": run.directory,
        "started": run.started / 1000,
        "duration": run.duration / 1000,
        "exit_code": run.exit_code,
        "signal": run.signal,
        "user": run.user,
        "host": run.host,
        "parent": run.parent,
        "params": dict(run.params),
        "metrics": {name: metric_json(one) for name, one in run.metrics.items()},
        "tags": list(run.tags),
        "note": run.note,
        "code": {
            "commit": run.code.commit,
            "branch": run.code.branch,
            "dirty": run.code.dirty,
            "url": run.code.url,
            "patch": attachment_json(run.code.patch),
            "files": {path: one.id.hex() for path, one in run.code.files.items()},
        },
        "environment": dict(run.environment),
        "inputs": [input_json(one) for one in run.inputs],
        "outputs": [output_json(one) for one in run.outputs],
        "sources": [source_json(one) for one in run.sources],
        "capture": list(run.capture),
        "notes": list(run.notes),
    }


def input_json(used: Input) -> dict[str, Any]:
    """Return an input."""
    return {
        "path": used.path,
        "entity": None if used.id is None else used.id.hex(),
        "size": used.size,
        "files": used.files,
        "read": used.read,
        "role": used.role,
        "evidence": str(used.evidence),
        "state": str(used.state),
    }


def output_json(made: Output) -> dict[str, Any]:
    """Return an output."""
    return {
        "path": made.path,
        "entity": made.id.hex(),
        "size": made.size,
        "files": made.files,
        "written": made.written,
        "before": None if made.before is None else made.before.hex(),
        "evidence": str(made.evidence),
        "kept": made.kept,
    }


def source_json(one: Source) -> dict[str, Any]:
    """Return where an output came from."""
    return {
        "path": one.path,
        "uri": one.uri,
        "endpoint_url": one.endpoint_url,
        "version": one.version,
        "modified": one.modified,
    }


def metric_json(metric: Metric) -> dict[str, Any]:
    """Return a metric in short."""
    return {
        "last": metric.last,
        "step": metric.step,
        "min": metric.minimum,
        "max": metric.maximum,
        "count": metric.count,
    }


def attachment_json(one: Attachment | None) -> dict[str, Any] | None:
    """Return content that was stored with a run."""
    return None if one is None else {"id": one.id.hex(), "size": one.size}
