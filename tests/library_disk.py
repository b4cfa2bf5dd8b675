"""A folder of sounds on a drive, in years: the half of `library_machine` that no program sees.

Files are created, edited, copied, renamed and deleted; the drive is taken away, with or without
its mount point, and brought back. `disk` is what must then be there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.library_sounds import CONTENTS

NAMES = ("a.wav", "b.wav", "deep/c.wav", "deep/d.wav", "deep/er/e.wav", "f.flac")


class SoundsOnDisk(RuleBasedStateMachine):
    """See the head; `root` is where the sounds are looked for, `place` everything that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="audiosearch-machine-"))
        self.root, self.away = self.place / "sounds", self.place / "away"
        self.root.mkdir()
        self.disk: dict[str, int | None] = {}  # name -> sound, None: no sound
        self.ever: set[str] = set()  # every name that was there at some time
        self.online = True

    def teardown(self) -> None:
        shutil.rmtree(self.place)

    @property
    def folder(self) -> Path:
        return self.root if self.online else self.away

    def name_on_disk(self, which: int) -> str:
        return sorted(self.disk)[which % len(self.disk)]

    @rule(name=st.sampled_from(NAMES), which=st.integers(0, len(CONTENTS) - 1))
    def create_or_edit(self, name: str, which: int) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENTS[which].data)
        self.disk[name] = CONTENTS[which].sound
        self.ever.add(name)

    @precondition(lambda self: self.disk)
    @rule(which=st.integers(0, 99), name=st.sampled_from(NAMES), keep=st.booleans())
    def rename_or_copy(self, which: int, name: str, keep: bool) -> None:
        source = self.name_on_disk(which)
        if source == name:
            return
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copyfile if keep else os.replace)(self.folder / source, path)
        self.disk[name] = self.disk[source] if keep else self.disk.pop(source)
        self.ever.add(name)

    @precondition(lambda self: self.disk)
    @rule(which=st.integers(0, 99))
    def delete(self, which: int) -> None:
        name = self.name_on_disk(which)
        (self.folder / name).unlink()
        del self.disk[name]
        if not any((self.folder / "deep").glob("**/*.*")):
            shutil.rmtree(self.folder / "deep", ignore_errors=True)

    @precondition(lambda self: self.online)
    @rule(mount_point=st.booleans())
    def unmount(self, mount_point: bool) -> None:
        self.root.rename(self.away)
        self.online = False
        if mount_point:
            self.root.mkdir()

    @precondition(lambda self: not self.online)
    @rule()
    def mount(self) -> None:
        if self.root.exists():
            self.root.rmdir()
        self.away.rename(self.root)
        self.online = True
