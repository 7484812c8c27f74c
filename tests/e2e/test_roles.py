"""The three policies of docs/remotes.md, on a server that enforces them: each is enough for its role, and no more."""

from __future__ import annotations

import re
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.support.repos import read_tree, write_tree
from tests.support.servers import BUCKET, Server, credentials, free_ports, running
from xver.cli.app import main

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

# moto looks and writes in two steps; a single thread makes one of them, so that of several creators one wins.
_ONE_AT_A_TIME = """
import sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
"""
_DOCUMENT = Path(__file__).parents[2] / "docs" / "remotes.md"
PREFIX = "survey/a"
FILES = {"data/a": b"first", "data/b": b"x" * 100_000}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, tuple[str, str]]]]:
    """moto, which from now on asks for rights, and the keys of a user for each policy."""
    [port] = free_ports(1)
    server = Server(f"http://127.0.0.1:{port}", credentials())
    policies = dict(re.findall(r"<!-- policy: (\w+) -->\n```json\n(.*?)```", _DOCUMENT.read_text("utf-8"), re.DOTALL))
    assert set(policies) == {"reader", "writer", "collector"}
    command = [sys.executable, "-W", "ignore", "-c", _ONE_AT_A_TIME, str(port)]
    with running(command, tmp_path_factory.mktemp("moto"), server):
        iam = client("iam", server, ("admin", "admin"))
        found = {}
        for name, text in policies.items():
            iam.create_user(UserName=name)
            policy = text.replace("BUCKET", BUCKET).replace("PREFIX", PREFIX)
            iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
            key = iam.create_access_key(UserName=name)["AccessKey"]
            found[name] = key["AccessKeyId"], key["SecretAccessKey"]
        asked = urllib.request.Request(f"{server.endpoint_url}/moto-api/reset-auth", data=b"0", method="POST")
        asked.add_header("Content-Type", "text/plain")
        urllib.request.urlopen(asked).close()
        yield server, found


def client(service: str, server: Server, key: tuple[str, str]) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.endpoint_url,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        region_name="us-east-1",
    )


def test_each_role_does_its_work_and_no_more(
    keys: tuple[Server, dict[str, tuple[str, str]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server, users = keys
    for name, value in {**credentials(), "HOME": str(tmp_path), "USER": "ada"}.items():
        monkeypatch.setenv(name, value)

    def xver(*words: str, at: Path, code: int = 0) -> str:
        monkeypatch.chdir(at)
        ended = main(words)
        out, errors = capsys.readouterr()
        assert ended == code, (words, out, errors)
        return errors if code else out

    def become(role: str) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", users[role][0])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", users[role][1])

    def objects() -> dict[str, str]:
        pages = client("s3", server, users["collector"]).list_objects_v2(Bucket=BUCKET, Prefix=PREFIX)
        return {one["Key"].removeprefix(f"{PREFIX}/"): one["ETag"] for one in pages.get("Contents", ())}

    root, url = tmp_path / "project", f"s3://{BUCKET}/{PREFIX}"
    write_tree(root, FILES)
    xver("init", at=root)
    xver("add", "data", at=root)
    xver("commit", "-m", "first", at=root)
    xver("remote", "add", "origin", url, "--endpoint-url", server.endpoint_url, at=root)

    become("reader")
    errors = xver("push", at=root, code=12)
    assert "denies access" in errors
    assert "ask its owner for the rights" in errors
    assert objects() == {}

    become("writer")
    xver("push", at=root)
    write_tree(root, {"data/a": b"second"})
    xver("add", "data", at=root)
    xver("commit", "-m", "second", at=root)
    xver("push", at=root)
    said = xver("remote", "check", at=root)
    assert "no: enough to push, not to collect" in said
    before = objects()

    become("reader")
    xver("clone", url, "copy", "--endpoint-url", server.endpoint_url, at=tmp_path)
    assert read_tree(tmp_path / "copy") == FILES | {"data/a": b"second"}
    xver("fetch", at=tmp_path / "copy")
    xver("pull", at=tmp_path / "copy")
    assert "no: read only" in xver("remote", "check", at=tmp_path / "copy")
    xver("fsck", "--remote", "origin", at=tmp_path / "copy")
    assert objects() == before

    become("writer")
    assert "denies access" in xver("gc", "--remote", "origin", "--now", at=root, code=12)

    become("collector")
    assert "yes" in xver("remote", "check", at=root)
    assert any(name.startswith("probe/") for name in before)
    xver("gc", "--remote", "origin", "--now", at=root)
    assert not any(name.startswith("probe/") for name in objects())
    become("reader")
    xver("clone", url, "again", "--endpoint-url", server.endpoint_url, at=tmp_path)
    assert read_tree(tmp_path / "again") == FILES | {"data/a": b"second"}


def test_only_what_is_below_the_prefix_is_given(keys: tuple[Server, dict[str, tuple[str, str]]]) -> None:
    server, users = keys
    for role in users:
        there: Callable[..., Any] = client("s3", server, users[role]).put_object
        with pytest.raises(Exception, match="AccessDenied"):
            there(Bucket=BUCKET, Key="elsewhere/x", Body=b"x")
