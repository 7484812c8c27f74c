"""What a remote keeps for a store, asked for while another process writes it down anew."""

from __future__ import annotations

from tests.support.stepping import Actor
from xver.model.ids import chunk_id
from xver.storage.base import Storage
from xver.storage.memory import MemoryStorage
from xver.store.promises import Promises

KEPT, MORE = chunk_id(b"kept"), chunk_id(b"more")


def test_a_replacement_hides_nothing_that_was_promised_and_still_is() -> None:
    inner = MemoryStorage()
    Promises(inner).replace("origin", [KEPT])
    answers: list[bool] = []

    def ask(storage: Storage) -> None:
        answers.append(KEPT in Promises(storage))

    actor = Actor(inner, "reader", ask)
    while not actor.stop.startswith("get elsewhere/"):
        actor.step()
    Promises(inner).replace("origin", [KEPT, MORE])
    while not actor.is_done:
        actor.step()
    assert actor.error is None
    assert answers == [True]
