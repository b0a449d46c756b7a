"""Events on disk: what a new process finds after any end of the old one."""

from pathlib import Path

import pytest

from fleetloop.controllers.notification.journal import Journal, Kept


def opened(folder: Path, now: float = 100.0) -> Journal:
    found = Journal(folder, lifetime=300.0)
    found.open(now)
    return found


def test_found_again(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    one, two = Kept("one", 10.0, b'{"a":1}'), Kept("two", 11.0, b"{}")
    journal.add(one)
    journal.add(two)
    journal.delivered(one.id, "apps/a")
    journal.end(two.id, 12.0)
    journal.close()
    again = opened(tmp_path)
    assert again.waiting() == [Kept("one", 10.0, b'{"a":1}', {"apps/a"})]
    assert sorted(again.known()) == [("one", 10.0), ("two", 11.0)]
    again.close()
    assert opened(tmp_path, now=1000.0).known() == [("one", 10.0)]


def test_the_same_event_twice_while_the_first_waits(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    first, second = Kept("one", 10.0, b"{}"), Kept("one", 400.0, b"{}")
    journal.add(first)
    journal.add(second)
    journal.end(first.id, 401.0)
    journal.close()
    assert opened(tmp_path).waiting() == [second]


@pytest.mark.parametrize("cut", range(2, 60, 7))
def test_a_torn_last_line_costs_itself_alone(tmp_path: Path, cut: int) -> None:
    journal = opened(tmp_path)
    journal.add(Kept("one", 10.0, b"{}"))
    whole = (tmp_path / "events.jsonl").read_bytes()
    journal.add(Kept("two", 11.0, b"{}"))
    content = (tmp_path / "events.jsonl").read_bytes()
    journal.close()
    (tmp_path / "events.jsonl").write_bytes(content[: max(len(whole), len(content) - cut)])
    assert [kept.key for kept in opened(tmp_path).waiting()] == ["one"]


def test_history_is_dropped(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    raw = b'"' + b"x" * 100_000 + b'"'
    for index in range(200):
        kept = Kept(f"k{index}", float(index), raw)
        journal.add(kept)
        journal.end(kept.id, float(index))
    assert (tmp_path / "events.jsonl").stat().st_size < 10 << 20


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(BlockingIOError):
        opened(tmp_path)
