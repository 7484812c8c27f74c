"""What a person sees of the settings."""

from __future__ import annotations

import json

from tests.cli.workplace import Workplace


def test_settings_are_listed_changed_and_taken_back(alone: Workplace) -> None:
    listed = [line.split(maxsplit=1) for line in alone.ok("config", "list").splitlines()]
    assert listed[:2] == [["run.keep", "[]"], ["run.store_untracked", "10000000"]]
    assert json.loads(alone("config", "list", "--json").stdout)["retention.keep_tags"] is True
    alone.ok("config", "set", "run.keep", '["models/**"]')
    alone.ok("config", "set", "run.store_untracked", "5")
    assert alone.ok("config", "get", "run.keep") == '["models/**"]\n'
    before = alone.read("xver.toml")
    assert before.startswith(b"# Settings of xver")
    alone.ok("config", "unset", "run.keep")
    assert alone.ok("config", "get", "run.keep") == "[]\n"
    assert alone.ok("config", "get", "run.store_untracked") == "5\n"
    alone.ok("config", "set", "retention.keep_last", "10")
    assert alone.ok("config", "get", "retention.keep_last") == "10\n"


def test_what_is_no_setting_or_no_value_of_one_changes_nothing(alone: Workplace) -> None:
    before = alone.read("xver.toml")
    assert alone.fails(3, "config", "get", "run.keeps") == [
        "error: there is no setting run.keeps",
        "hint: did you mean run.keep?",
    ]
    assert alone.fails(3, "config", "set", "nothing", "1")[1] == "hint: xver config list"
    assert "is a number of bytes" in alone.fails(2, "config", "set", "run.store_untracked", "much")[0]
    assert "is a list of patterns" in alone.fails(2, "config", "set", "run.keep", "models/**")[0]
    assert alone.read("xver.toml") == before
