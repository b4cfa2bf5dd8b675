"""The file and the stretch of it that a request is about."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from audiosearch.audio.clip import LONGEST_S
from audiosearch.errors import DecodeCode, DecodeError, QueryError
from audiosearch.library.playable import PlayableFile, find_playable
from audiosearch.server.context import ServerContext
from audiosearch.server.parameters import Parameters
from audiosearch.server.replies import NotInLibrary
from audiosearch.server.sounds import check_stretch, recording_id

_GONE = (DecodeCode.UNREADABLE, DecodeCode.CHANGED, DecodeCode.AWAY)


@dataclass(frozen=True)
class WantedStretch:
    """Seconds of a sound; `end_s` None: to its end."""

    start_s: float
    end_s: float | None

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the sound."""
        return self.start_s == 0 and self.end_s is None

    @classmethod
    def of(cls, given: Parameters) -> WantedStretch:
        """What `start` and `end` of a request say.

        Raises:
            QueryError: they are no seconds, or no stretch.
        """
        start_s = given.number("start", least=0, most=LONGEST_S) or 0.0
        end_s = given.number("end", least=0, most=LONGEST_S)
        check_stretch(start_s, end_s)
        return cls(start_s, end_s)

    def samples(self, file: PlayableFile) -> tuple[int, int | None]:
        """The first sample and the one behind the last; None: the length is not known.

        Raises:
            QueryError: the sound ends before it begins.
        """
        rate, total = file.sample_rate, file.n_samples
        start = round(self.start_s * rate)
        end = total if self.end_s is None else round(self.end_s * rate)
        if total is not None and end is not None:
            end = min(end, total)
        if (total is not None and start >= total) or (end is not None and end <= start):
            raise QueryError(f"the sound ends before {self.start_s:g} s, or there is nothing in it")
        return start, end

    def known_samples(self, file: PlayableFile) -> tuple[int, int]:
        """The same where the end must be known.

        Raises:
            QueryError: as of `samples`, or the length is not known.
        """
        start, end = self.samples(file)
        if end is None:
            raise QueryError(
                "its length is not known: it was not heard to its end yet", remedy="give end"
            )
        return start, end


async def playable(request: Request, context: ServerContext) -> PlayableFile:
    """The file of the recording in a request's path.

    Raises:
        NotInLibrary: there is no such recording, or no file of it can be heard now; says why.
    """
    wanted = recording_id(request.path_params["id"])
    try:
        found = await context.read(
            lambda database: find_playable(database, wanted, context.config.index)
        )
    except DecodeError as error:
        raise as_missing(error) from error
    if found is None:
        raise NotInLibrary(f"there is no recording {wanted}, or no file of it any more")
    return found


def as_missing(error: DecodeError) -> Exception:
    """A file that is gone or another by now: what was asked for is not there."""
    if error.code not in _GONE:
        return error
    missing = NotInLibrary(error.reason, remedy=error.remedy)
    missing.path = error.path
    return missing
