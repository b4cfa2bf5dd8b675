"""The files of a pass over the library: which are still to be given out, and what others came to.

Files that workers had when they died come first. One that may have been the death of two is read
with no other beside it, at the end; if two more die so, it is the file's fault.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from audiosearch._urls import is_url
from audiosearch.errors import AudiosearchError, DecodeCode
from audiosearch.indexing.claims import Course, ReadingDecision, SoundClaims
from audiosearch.indexing.types import LAST_ITEMS, DecodedWindow, Failed, Item
from audiosearch.indexing.walk import is_gone
from audiosearch.store.queries.pending import PendingFile
from audiosearch.store.queries.places import join

if TYPE_CHECKING:
    from audiosearch.audio.sandbox.protocol import OpenedFile

TOGETHER: Final = 2  # deaths that a file may have been part of before it is read alone
ALONE: Final = 2  # deaths over a file with no other beside it: one may have been by chance
MOST_LOOKS: Final = 3  # at a file that workers cannot read and the driver can


class Handout:
    """Files in, one by one as they are asked for; decisions about them, and what they ended as."""

    def __init__(self, files: Iterator[PendingFile], claims: SoundClaims) -> None:
        self._files = files
        self._claims = claims
        self._next = next(files, None)
        self._again: deque[PendingFile] = deque()
        self._suspects: deque[PendingFile] = deque()
        self._claimed: dict[int, bytes] = {}  # sounds in flight, by the file that has them
        self._deaths: Counter[int] = Counter()  # since anything of the file was committed
        self._deaths_alone: Counter[int] = Counter()
        self._looks: Counter[int] = Counter()
        self._failed: list[Failed] = []

    @property
    def has_more(self) -> bool:
        """Whether files are left that may be read beside others."""
        return self._next is not None or bool(self._again)

    @property
    def is_done(self) -> bool:
        """Whether all files are given out, and told of."""
        return not (self.has_more or self._suspects or self._failed)

    def take(self) -> PendingFile | None:
        """The next file."""
        if self._again:
            return self._again.popleft()
        file = self._next
        if file is not None:
            self._next = next(self._files, None)
        return file

    def take_suspect(self) -> PendingFile | None:
        """A file that is to be read alone, once all others are given out."""
        return None if self.has_more or not self._suspects else self._suspects.popleft()

    def take_failed(self) -> list[Failed]:
        """Files that were the death of their workers; forgets them."""
        failed, self._failed = self._failed, []
        return failed

    def decide(self, file: PendingFile, opened: OpenedFile) -> ReadingDecision:
        """See `SoundClaims.decide`; what was claimed for a file stays its own if its worker dies.

        Others wait for that sound, and would wait for ever.
        """
        claimed = self._claimed.get(file.file_id)
        decision = self._claims.decide(file, opened, claimed=claimed)
        if decision.course is Course.DECODE:
            self._claimed[file.file_id] = opened.fingerprint.audio_hash
        return decision

    def give_back(self, files: Sequence[PendingFile], *, died: bool, alone: bool) -> None:
        """Files of a session that is over before they were done; `died`: so is its worker."""
        for file in self._claims.renewed(files):
            self._deaths[file.file_id] += died
            self._deaths_alone[file.file_id] += died and alone
            if self._deaths_alone[file.file_id] >= ALONE:
                self._failed.append(self._fatal(file))
            elif self._deaths[file.file_id] >= TOGETHER:
                self._suspects.append(file)
            else:
                self._again.append(file)

    def _fatal(self, file: PendingFile) -> Failed:
        return Failed(
            file,
            code=DecodeCode.CRASHED,
            reason=f"{self._deaths[file.file_id]} workers died over it",
            vanished=False,
            audio_hash=self._claimed.pop(file.file_id, None),
        )

    def settled(self, item: Item) -> Item | None:
        """What is to be committed of an item; None: its file is read once more.

        So it is where a worker could not read what can be read here: that is its machine's fault.
        """
        if isinstance(item, Failed):
            return self._looked_at(item)
        if isinstance(item, DecodedWindow):
            self._deaths.pop(item.file.file_id, None)
            self._deaths_alone.pop(item.file.file_id, None)
        elif isinstance(item, LAST_ITEMS):
            self._claimed.pop(item.file.file_id, None)
        return item

    def _looked_at(self, failed: Failed) -> Failed | None:
        file = failed.file
        path = join(file.root_path, file.path)
        if failed.vanished or failed.code in (DecodeCode.UNREADABLE, DecodeCode.AWAY):
            self._looks[file.file_id] += 1
            if self._looks[file.file_id] < MOST_LOOKS and _readable(path):
                self._again += self._claims.renewed([file])
                return None
        claimed = self._claimed.pop(file.file_id, None)
        return replace(
            failed,
            vanished=failed.vanished and is_gone(path),
            audio_hash=failed.audio_hash or claimed,
        )


def _readable(path: bytes) -> bool:
    """Whether this machine can read a file."""
    if is_url(path):
        from audiosearch.remote.fetched_files import remote_stat  # noqa: PLC0415 - URLs alone

        try:
            remote_stat(path)
        except AudiosearchError:
            return False
        return True
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - bytes
            return bool(file.read(1))
    except OSError:
        return False
