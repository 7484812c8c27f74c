"""xver for hooks that are called thousands of times: each call is a process of its own, forked from one that is loaded.

A script on the PATH hands its words, folder, environment and streams to a server, and ends as the child does.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

_USED = ("xver.cli.commands.beside_git", "xver.versioning.commits", "xver.versioning.merging", "filelock")
_CLIENT = """
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect(sys.argv[1])
asked = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(asked).to_bytes(4, "big")], [0, 1, 2])
server.sendall(asked)
answer = server.recv(1)
os._exit(answer[0] if answer else 99)
"""


@contextmanager
def forked_xver(folder: Path) -> Iterator[Path]:
    """Serve in an empty folder, and give the one to put on the PATH; the server ends with the context."""
    programs, address = folder / "bin", folder / "s"
    programs.mkdir()
    client = folder / "client.py"
    client.write_text(_CLIENT, encoding="utf-8")
    program = programs / "xver"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -SI '{client}' '{address}' \"$@\"\n", encoding="utf-8")
    program.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-m", __name__, str(address)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        try:
            yield programs
        finally:
            server.terminate()


def _serve(address: str) -> None:
    from xver.cli import app

    for name in _USED:
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        client, _ = listening.accept()
        if os.fork():
            client.close()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        listening.close()
        code = 99
        try:
            length, streams, _, _ = socket.recv_fds(client, 4, 3)
            with client.makefile("rb") as file:
                words, folder, environment = json.loads(file.read(int.from_bytes(length, "big")))
            for at, stream in enumerate(streams):
                os.dup2(stream, at)
                os.close(stream)
            # What a stream can do is asked of it once, when it is made.
            sys.stdin, sys.stdout, sys.stderr = (
                open(at, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - they end with the process
                for at, mode in enumerate("rww")
            )
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            code = app.main(words)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:  # noqa: BLE001 - nothing of ours may go on in the child
            traceback.print_exc()
        finally:
            client.sendall(bytes([code]))
            os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
