"""The command line as its users meet it: a process with streams, signals and an exit code."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from xver import __version__

from .workplace import command

Xver: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"

needs_posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")


def test_version(xver: Xver) -> None:
    done = xver("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"xver {__version__}\n", "")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_shows_families(xver: Xver, flag: str) -> None:
    done = xver(flag)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "Usage: xver [OPTIONS] COMMAND [ARGS]..."
    assert lines.index("Start:") < lines.index("Work:") < lines.index("Share:") < lines.index("Upkeep:")
    assert lines[lines.index("Start:") + 1].split() == ["init", "Start", "a", "repository", "in", "this", "folder"]


def test_help_of_a_command_shows_examples_and_exit_codes(xver: Xver) -> None:
    done = xver("trial", "-h")
    assert "Examples:\n  xver trial lines 3\n  xver trial exit 1\n" in done.stdout
    assert "Exit codes:\n  0  Done.\n  2  " in done.stdout
    assert "\n  3  What was named does not exist.\n  9  Going on would lose" in done.stdout


def test_no_command_shows_the_help_and_fails(xver: Xver) -> None:
    done = xver()
    assert done.returncode == 2
    assert done.stdout == xver("--help").stdout


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["sttaus"], "no such command sttaus", "did you mean `status`?"),
        (["chekout"], "no such command chekout", "did you mean `checkout`?"),
        (["brunch"], "no such command brunch", "did you mean `branch`?"),
        (["zzzz"], "no such command zzzz", "xver -h"),
        (["a\x1b[2Jb"], r"no such command a\x1b[2Jb", "xver -h"),
        (["--quite", "trial"], "no such option --quite", "did you mean `--quiet`?"),
        (["trial", "--debgu", "bug"], "no such option --debgu", "did you mean `--debug`?"),
        (["trial"], "missing argument 'HOW'", "xver trial -h"),
        (["trial", "a", "b", "c"], "got unexpected extra argument (c)", "xver trial -h"),
    ],
)
def test_usage_errors_name_the_nearest_right_word(xver: Xver, arguments: list[str], error: str, hint: str) -> None:
    done = xver(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {error}\nhint: {hint}\n"


def test_a_command_may_answer_no(xver: Xver) -> None:
    assert xver("trial", "exit", "1").returncode == 1
    assert xver("trial", "leave", "42").returncode == 42
    assert xver("trial", "nothing").returncode == 0


def test_an_error_comes_after_what_was_printed(xver: Xver) -> None:
    done = subprocess.run(
        command("trial", "dirty"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False
    )
    assert done.returncode == 9
    assert done.stdout == "before\nerror: 2 files would be lost\n  a\n  b\\nhint: evil\nhint: xver add\n"


@pytest.mark.parametrize("arguments", [["-q", "trial", "note", "x"], ["trial", "--quiet", "note", "x"]])
def test_quiet_before_and_after_the_command(xver: Xver, arguments: list[str]) -> None:
    done = xver(*arguments)
    assert (done.stdout, done.stderr) == ("", "warning: x\n")


@pytest.mark.parametrize("arguments", [["--debug", "trial", "bug"], ["trial", "bug", "--debug"]])
def test_debug_before_and_after_the_command(xver: Xver, arguments: list[str]) -> None:
    done = xver(*arguments)
    assert done.returncode == 70
    assert done.stderr.startswith("Traceback")
    assert "ZeroDivisionError" in done.stderr.splitlines()[-2]


def test_no_traceback_unasked(xver: Xver) -> None:
    done = xver("trial", "bug")
    assert done.returncode == 70
    assert done.stderr.count("\n") == 2


def test_going_elsewhere_first(xver: Xver, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert xver("-C", str(tmp_path), "-C", "sub", "trial", "nothing").returncode == 0
    done = xver("-C", str(tmp_path / "none"), "trial", "nothing")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: cannot go to {tmp_path / 'none'}: ")


def test_an_interrupt_ends_with_130(xver: Xver) -> None:
    done = xver("trial", "interrupt")
    assert (done.returncode, done.stdout, done.stderr) == (130, "before\n", "interrupted\n")


def test_an_interrupt_while_the_command_line_is_loaded(tmp_path: Path, environment: None) -> None:
    (tmp_path / "click.py").write_text(
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nsignal.raise_signal(signal.SIGINT)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "xver", "--version"],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_no_encoding_of_stdout_ends_a_command(xver: Xver, encoding: str) -> None:
    done = xver("trial", "line", "├ 写真 a\x1bb", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout, done.stderr) == (0, "| \\u5199\\u771f a\\x1bb\n", "")
    assert xver("trial", "json", "写真", PYTHONIOENCODING=encoding).stdout == '{\n  "name": "写真"\n}\n'
    assert xver("写真", PYTHONIOENCODING=encoding).stderr.startswith("error: no such command \\u5199")


@needs_posix
def test_a_name_that_is_not_utf_8(environment: None) -> None:
    done = subprocess.run([*map(os.fsencode, command("trial", "line")), b"a\xff"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"a\\xff\n")


@needs_posix
@pytest.mark.parametrize("lines", ["3", "200000"])
def test_a_reader_that_left_ends_the_command_silently(environment: None, lines: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        command("trial", "lines", lines), stdout=write_end, stderr=subprocess.PIPE, encoding="utf-8", check=False
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, "")


@needs_posix
def test_head(environment: None) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"{shlex.join(command('trial', 'lines', '200000'))} | head -n 2"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "line 0\nline 1\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout(environment: None) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            command("trial", "line", "x"), stdout=full, stderr=subprocess.PIPE, encoding="utf-8", check=False
        )
    assert done.returncode == 71
    assert done.stderr.startswith("error: no space left on device\nhint: free some space")
    assert done.stderr.count("\n") == 2


@needs_posix
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_that_are_closed_from_the_start(environment: None, closed: str) -> None:
    for arguments, code in ((("trial", "note", "x"), 0), (("trial", "dirty"), 9), (("--version",), 0)):
        done = subprocess.run(
            ["/bin/sh", "-c", f"{shlex.join(command(*arguments))} {closed}"],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr


@needs_posix
def test_errors_that_nobody_reads(environment: None) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(command("trial", "dirty"), stdout=subprocess.PIPE, stderr=write_end, check=False)
    os.close(write_end)
    assert (done.returncode, done.stdout) == (9, b"before\n")


@needs_posix
def test_colours_and_bars_are_for_terminals(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    def on_terminal() -> str:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(command("trial", "dirty"), stdout=subprocess.PIPE, stderr=theirs)
        assert process.communicate()[0] == b"before\n"
        os.close(theirs)
        text = os.read(ours, 10_000).decode()
        os.close(ours)
        return text.replace("\r\n", "\n")

    monkeypatch.setenv("TERM", "xterm")
    assert on_terminal().startswith("\x1b[31m\x1b[1merror:\x1b[0m 2 files")
    monkeypatch.setenv("NO_COLOR", "1")
    assert on_terminal().startswith("error: 2 files")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(xver: Xver, shell: str) -> None:
    done = xver("completion", shell)
    assert done.returncode == 0
    assert "_XVER_COMPLETE=" in done.stdout


def test_completion_answers_from_the_table(xver: Xver) -> None:
    done = xver(_XVER_COMPLETE="bash_complete", COMP_WORDS="xver st", COMP_CWORD="1")
    assert done.stdout == "plain,status\n"


def test_python_dash_m(environment: None) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "xver", "--version"], capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["xver", __version__])
