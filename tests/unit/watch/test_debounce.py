"""Paths wait until they rest; the clock and the disk are plain values here."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audiosearch.watch.debounce import Debouncer, Facts, Settled

FOLDER = Facts(is_folder=True, size=0, mtime_ns=0, ctime_ns=0)


def file(size: int) -> Facts:
    return Facts(is_folder=False, size=size, mtime_ns=size, ctime_ns=size)


class Disk(dict[bytes, Facts]):
    def look(self, path: bytes) -> Facts | None:
        return self.get(path)


def test_a_path_rests_when_nothing_has_happened_for_a_while():
    disk, settling = Disk({b"/a": file(1)}), Debouncer(2.0)
    settling.on_event(b"/a", facts=file(1), now=10.0)
    assert settling.take_settled(now=11.9, stat=disk.look) == Settled()
    assert settling.take_settled(now=12.0, stat=disk.look) == Settled(there=(b"/a",))
    assert len(settling) == 0


def test_every_event_begins_the_wait_anew():
    disk, settling = Disk({b"/a": file(1)}), Debouncer(2.0)
    for now in (10.0, 11.0, 12.0, 13.0):
        settling.on_event(b"/a", facts=file(1), now=now)
        assert settling.take_settled(now=now + 0.5, stat=disk.look) == Settled()
    assert settling.take_settled(now=15.0, stat=disk.look).there == (b"/a",)


def test_a_file_that_grows_without_a_word_is_waited_for():
    disk, settling = Disk({b"/a": file(1)}), Debouncer(2.0)
    settling.on_event(b"/a", facts=file(1), now=0.0)
    for now, size in ((2.0, 2), (4.0, 3), (6.0, 4)):
        disk[b"/a"] = file(size)
        assert settling.take_settled(now=now, stat=disk.look) == Settled()
    assert settling.take_settled(now=7.9, stat=disk.look) == Settled()
    assert settling.take_settled(now=8.0, stat=disk.look).there == (b"/a",)


def test_a_file_that_is_known_to_grow_rests_longer():
    disk, settling = Disk({b"/a": file(1), b"/b": file(1)}), Debouncer(2.0)
    settling.on_event(b"/a", facts=file(1), now=0.0, rest_s=8.0)
    settling.on_event(b"/b", facts=file(1), now=0.0)
    assert settling.take_settled(now=2.0, stat=disk.look) == Settled(there=(b"/b",))
    disk[b"/a"] = file(2)
    assert settling.take_settled(now=8.0, stat=disk.look) == Settled()  # it has grown
    assert settling.take_settled(now=15.9, stat=disk.look) == Settled()
    assert settling.take_settled(now=16.0, stat=disk.look) == Settled(there=(b"/a",))


def test_what_vanished_is_told_all_at_once():
    disk, settling = Disk({b"/new": file(1)}), Debouncer(2.0)
    settling.on_event(b"/a", facts=None, now=0.0)
    settling.on_event(b"/new", facts=file(1), now=0.0)
    settling.on_event(b"/b", facts=None, now=1.0)
    first = settling.take_settled(now=2.0, stat=disk.look)
    assert first == Settled(there=(b"/new",))  # more was vanishing a second ago
    assert settling.take_settled(now=3.0, stat=disk.look) == Settled(gone=(b"/a", b"/b"))


def test_a_path_that_vanishes_while_it_waits_begins_anew():
    disk, settling = Disk({b"/a": file(1)}), Debouncer(2.0)
    settling.on_event(b"/a", facts=file(1), now=0.0)
    del disk[b"/a"]
    assert settling.take_settled(now=2.0, stat=disk.look) == Settled()
    assert settling.take_settled(now=4.0, stat=disk.look) == Settled(gone=(b"/a",))


def test_a_temporary_name_leaves_nothing_but_its_last_one():
    disk, settling = Disk(), Debouncer(1.0)
    settling.on_event(b"/.a.part", facts=file(5), now=0.0)
    settling.on_event(b"/.a.part", facts=None, now=0.2)  # os.replace
    settling.on_event(b"/a", facts=file(5), now=0.2)
    disk[b"/a"] = file(5)
    assert settling.take_settled(now=1.2, stat=disk.look) == Settled(
        there=(b"/a",), gone=(b"/.a.part",)
    )


def test_folders_rest_by_their_own_events_only():
    disk, settling = Disk({b"/f": FOLDER}), Debouncer(1.0)
    settling.on_event(b"/f", facts=FOLDER, now=0.0)
    assert settling.take_settled(now=1.0, stat=disk.look).there == (b"/f",)


def test_forgetting():
    settling = Debouncer(1.0)
    for path in (b"/a", b"/b", b"/c"):
        settling.on_event(path, facts=None, now=0.0)
    settling.forget([b"/a", b"/x"])
    assert len(settling) == 2
    settling.forget()
    assert len(settling) == 0


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 3.0),  # seconds since the step before
            st.sampled_from([b"/a", b"/b", b"/c"]),
            st.one_of(st.none(), st.integers(0, 3)),  # gone, or a size
            st.booleans(),  # whether an event tells of it
        ),
        max_size=30,
    )
)
def test_whatever_happens_every_touched_path_comes_out_as_it_is_at_last(steps):
    """A path whose last change was told is told at least once after it, and as it is."""
    disk, settling = Disk(), Debouncer(1.0)
    now, told = 0.0, set()

    def hear(rested: Settled) -> None:
        told.update(rested.there, rested.gone)
        assert all(path in disk for path in rested.there)
        assert not any(path in disk for path in rested.gone)

    for pause_s, path, size, is_told in steps:
        now += pause_s
        hear(settling.take_settled(now=now, stat=disk.look))
        if size is None:
            disk.pop(path, None)
        else:
            disk[path] = file(size)
        if is_told:
            told.discard(path)
            settling.on_event(path, facts=disk.look(path), now=now)
    touched = {path for _, path, _, is_told in steps if is_told}
    for _ in range(4):
        now += 1.0
        hear(settling.take_settled(now=now, stat=disk.look))
    assert touched <= told
    assert len(settling) == 0
