"""Questions to a library: put to the process that has it in memory, or else answered here.

Nothing that computes is imported until it is clear that this process has to answer.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from audiosearch.audio.clip import ClipRange, absolute, parse_clip
from audiosearch.config import Config
from audiosearch.search.filters import Filters, anchored
from audiosearch.search.results import Description, FindResult, TextQuery
from audiosearch.server.address import NoAnswer, Refused, read_address

if TYPE_CHECKING:  # loaded where nobody else answers, or where somebody does
    from audiosearch.library.answers import Answers
    from audiosearch.server.client import Server
    from audiosearch.server.messages import (
        DescribeEnd,
        Descriptions,
        FileSeen,
        FindQuestion,
        Settings,
        SimilarQuestion,
    )

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ClientAnswer:
    """An answer with hits, and what the model ran on (cpu or cuda)."""

    result: FindResult
    device: str


class QueryClient:
    """Who answers the questions of one command; made by `open_client`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stack = ExitStack()
        self._library: Answers | None = None
        self._remarks: set[str] = set()
        self._n_by_server, self._n_by_self = 0, 0
        self._pid = 0
        self._reason = ""
        self._server: Server | None = None
        try:
            self._server = _reach(config)
            self._pid = self._server.pid
        except NoAnswer as error:
            self._reason = str(error)

    @property
    def who(self) -> str:
        """Who answered, for people."""
        daemon = f"by the daemon (process {self._pid})"
        if not self._n_by_self:
            return f"answered {daemon}"
        if not self._n_by_server:
            return f"answered without the daemon: {self._reason}"
        return (
            f"{self._n_by_server} answered {daemon}, {self._n_by_self} without it: {self._reason}"
        )

    @cached_property
    def _settings(self) -> Settings:
        from audiosearch.server.messages import Settings  # noqa: PLC0415 - for a server

        return Settings.of(self._config)

    def find(self, query: TextQuery) -> ClientAnswer:
        """Sounds for words; raises as `Library.find` does."""
        seen = self._see_all(query.like)
        if seen is not None:
            from audiosearch.server.messages import FindQuestion  # noqa: PLC0415

            abroad = replace(
                query,
                filters=anchored(query.filters),
                like=tuple(map(_absolute, query.like)),
            )
            question = FindQuestion(settings=self._settings, query=abroad, seen=seen)
            found = self._found_by_server(question)
            if found is not None:
                return found
        library = self._open_library()
        return ClientAnswer(result=library.answer(query), device=library.decoder.device.name)

    def similar(
        self,
        *clips: str,
        filters: Filters,
        include_self: bool = True,
        limit: int | None = None,
        min_similarity: float | None = None,
        sort: str | None = None,
        reverse: bool = False,
    ) -> ClientAnswer:
        """Sounds for sounds; raises as `Library.similar` does."""
        parts = tuple(map(parse_clip, clips))
        seen = self._see_all(parts)
        if seen is not None:
            from audiosearch.server.messages import SimilarQuestion  # noqa: PLC0415

            found = self._found_by_server(
                SimilarQuestion(
                    settings=self._settings,
                    clips=tuple(map(_absolute, parts)),
                    seen=seen,
                    include_self=include_self,
                    filters=anchored(filters),
                    limit=limit,
                    min_similarity=min_similarity,
                    sort=sort,
                    reverse=reverse,
                )
            )
            if found is not None:
                return found
        library = self._open_library()
        result = library.similar(
            *parts,
            include_self=include_self,
            filters=filters,
            limit=limit,
            min_similarity=min_similarity,
            sort=sort,
            reverse=reverse,
        )
        return ClientAnswer(result=result, device=library.decoder.device.name)

    def describe(
        self, clip: str, *, limit: int, normalise: str | None, explain: bool
    ) -> tuple[bytes, Iterator[Description]]:
        """Captions for a sound; see `Library.describe`, and it raises as that does."""
        part = parse_clip(clip)
        path = absolute(os.fsdecode(part.path))
        return path, self._descriptions(part, limit=limit, normalise=normalise, explain=explain)

    def close(self) -> None:
        """Let go of the server and of the library."""
        self._let_go()
        self._stack.close()

    def _descriptions(
        self, part: ClipRange, *, limit: int, normalise: str | None, explain: bool
    ) -> Iterator[Description]:
        from audiosearch.server.messages import DescribeEnd  # noqa: PLC0415

        n_sent = 0
        for reply in self._described_by_server(
            part, limit=limit, normalise=normalise, explain=explain
        ):
            if isinstance(reply, DescribeEnd):
                self._count_by_server(reply.remarks)
                return
            n_sent += len(reply.rows)
            yield from reply.rows
        # Should the server have gone in the middle: the same windows come in the same order.
        _, rest = self._open_library().describe(
            part, limit=limit, normalise=normalise, explain=explain
        )
        yield from islice(rest, n_sent, None)

    def _described_by_server(
        self, part: ClipRange, *, limit: int, normalise: str | None, explain: bool
    ) -> Iterator[Descriptions | DescribeEnd]:
        """What the server says; without an end where it does not tell all."""
        seen = self._see_all([part])
        if self._server is None or seen is None:
            return
        from audiosearch.server.messages import DescribeQuestion  # noqa: PLC0415

        question = DescribeQuestion(
            settings=self._settings,
            clip=_absolute(part),
            seen=seen[0],
            limit=limit,
            normalise=normalise,
            explain=explain,
        )
        try:
            yield from self._server.described(question)
        except Refused as refusal:
            self._reason = str(refusal)
        except NoAnswer as error:
            self._reason = str(error)
            self._let_go()
        except GeneratorExit:  # nobody wants the rest, which would be taken for the next answer
            self._let_go()
            raise

    def _found_by_server(self, question: FindQuestion | SimilarQuestion) -> ClientAnswer | None:
        """The server's answer; None where it does not tell."""
        if self._server is None:
            return None
        try:
            hits, end = self._server.found(question)
        except Refused as refusal:
            self._reason = str(refusal)
            return None
        except NoAnswer as error:
            self._reason = str(error)
            self._let_go()
            return None
        self._count_by_server(end.remarks)
        return ClientAnswer(result=replace(end.result, hits=hits), device=end.device)

    def _see_all(self, parts: Sequence[ClipRange]) -> tuple[FileSeen, ...] | None:
        """The files of some clips for the server; None where one is not seen, or there is none."""
        if self._server is None:
            return None
        from audiosearch.server.messages import see  # noqa: PLC0415

        seen = tuple(each for part in parts if (each := see(part.path)) is not None)
        return seen if len(seen) == len(parts) else None

    def _count_by_server(self, remarks: tuple[str, ...]) -> None:
        self._n_by_server += 1
        for remark in remarks:
            if remark not in self._remarks:  # once a process, as if this one had met it
                self._remarks.add(remark)
                log.warning("%s", remark)

    def _open_library(self) -> Answers:
        """The library in this process; called for each question that is answered here."""
        self._n_by_self += 1
        if self._library is None:
            from audiosearch.library.answers import open_answers  # noqa: PLC0415 - all that computes
            from audiosearch.store.lock import QuestionMark  # noqa: PLC0415 - as above

            mark = QuestionMark(self._config.data_dir)
            mark.hold()
            self._stack.callback(mark.let_go)
            self._library = self._stack.enter_context(open_answers(self._config))
        return self._library

    def _let_go(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.hang_up()


@contextmanager
def open_client(config: Config) -> Iterator[QueryClient]:
    """Who answers questions to the library of `config`: a process that is there, or this one."""
    answering = QueryClient(config)
    try:
        yield answering
    finally:
        answering.close()


def _reach(config: Config) -> Server:
    """The process that answers for a library.

    Raises:
        NoAnswer: there is none.
    """
    read_address(config.data_dir)
    # Where nobody listens, nobody waits for the parts that speak HTTP.
    from audiosearch.server.client import Server  # noqa: PLC0415

    return Server.reach(config.data_dir)


def _absolute(part: ClipRange) -> ClipRange:
    """The same clip for a process that works in another folder."""
    return replace(part, path=absolute(os.fsdecode(part.path)))
