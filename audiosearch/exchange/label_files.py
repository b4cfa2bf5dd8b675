"""Files of labels and captions, of other programs and by hand: what each line says, and of when.

The kind is told by the file's ending and its first lines. Whatever is not of the kind is refused
with its line: what was taken for a sentence once is hard to find again.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiosearch._files import read_bounded
from audiosearch.errors import QueryError
from audiosearch.exchange.label_tables import is_header, table_labels
from audiosearch.exchange.label_times import (
    NotTimed,
    ReadLabel,
    cue_seconds,
    plain_seconds,
    stretch,
    subtitle_seconds,
)

_MOST_BYTES = 64 << 20  # of a file
MAX_CHARACTERS = 2000  # of a caption
_LOOK_LINES = 40  # a cue sheet may begin with as many remarks

_AUDACITY = re.compile(r"-?\d+(?:[.,]\d+)?\t-?\d+(?:[.,]\d+)?(?:\t.*)?")
_CUE = re.compile(r'\s*(?:FILE\s+(?:"[^"]*"|\S+)\s+\w+|TRACK\s+\d+\s+AUDIO)\s*', re.IGNORECASE)
_ARROW = re.compile(r"\s*(\S+)\s+-->\s+(\S+)(?:\s.*)?")
_MARKUP = re.compile(r"</?[a-zA-Z][^>]*>|\{\\[^}]*\}")
# Lines of tables, code and other programs' files, which nobody means as sentences.
_NO_SENTENCE = re.compile(
    r"[{\[<#\\]|-?[\d.:]+\s*[,;|]|\S+\.(?:wav|flac|mp3|ogg|opus|aiff?|m4a|caf|w64)\s*[,;|]"
    r"|.*\d\d:\d\d:\d\d[:;.,]\d\d.*\d\d:\d\d:\d\d|.*-->",
    re.IGNORECASE,
)
_CUE_WORDS = frozenset(
    (
        *("CATALOG", "CDTEXTFILE", "FILE", "FLAGS", "INDEX", "ISRC", "PERFORMER", "POSTGAP"),
        *("PREGAP", "REM", "SONGWRITER", "TITLE", "TRACK"),
    )
)


@dataclass(frozen=True, kw_only=True)
class LabelFile:
    """What a file of labels holds.

    Attributes:
        kind: captions, table, raven, reaper, audacity, subrip or cue.
        labels: in the order of the file.
    """

    kind: str
    labels: tuple[ReadLabel, ...]

    @property
    def needs_sound(self) -> bool:
        """Whether it tells times and not of which sound."""
        return any(each.start_s is not None and not each.names for each in self.labels)


def read_label_file(file: Path) -> LabelFile:
    """The labels of a file.

    Raises:
        QueryError: it cannot be read, or a line is not what the file's kind has; names the line.
    """
    lines = _lines(file)
    kind = _kind(lines, file.suffix.lower())
    try:
        if kind == "table":
            kind, labels = table_labels(lines, suffix=file.suffix.lower())
        else:
            labels = tuple(_READERS[kind](lines))
        for each in labels:
            if len(each.text) > MAX_CHARACTERS:
                raise NotTimed(each.line, f"{len(each.text)} characters are no caption")
    except NotTimed as error:
        raise QueryError(
            f"line {error.line}: {error.reason}", path=file, remedy=_REMEDIES.get(kind)
        ) from None
    return LabelFile(kind=kind, labels=labels)


def _lines(file: Path) -> list[str]:
    try:
        content = read_bounded(file, _MOST_BYTES)
    except OSError as error:
        raise QueryError(error.strerror or str(error), path=file) from error
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise QueryError(
            f"cannot be read: line {line} is no UTF-8",
            path=file,
            remedy="save it as UTF-8 text",
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _kind(lines: Sequence[str], suffix: str) -> str:
    told = [line for line in lines if line.strip()][:_LOOK_LINES]
    if suffix in (".csv", ".tsv", ".tab") or (told and is_header(told[0])):
        return "table"
    if suffix in (".srt", ".vtt") or any(_ARROW.fullmatch(line) for line in told[:3]):
        return "subrip"
    if suffix == ".cue" or any(_CUE.fullmatch(line) for line in told):
        return "cue"
    return "audacity" if told and _AUDACITY.fullmatch(told[0]) else "captions"


def _numbered(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _sentences(lines: Sequence[str]) -> Iterator[ReadLabel]:
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        control = any(ord(each) < 32 or ord(each) == 127 for each in text)
        digits_only = any(map(str.isdigit, text)) and not any(map(str.isalpha, text))
        if control or digits_only or _NO_SENTENCE.match(text):
            raise NotTimed(number, f"{text[:60]!r} is no sentence")
        if text or number < len(lines):  # what follows the last end of a line is none
            yield ReadLabel(text, number)


def _audacity(lines: Sequence[str]) -> Iterator[ReadLabel]:
    for number, line in _numbered(lines):
        parts = line.split("\t")
        if parts[0] == "\\":
            if len(parts) != 3:
                raise NotTimed(number, "no line of frequencies (\\, low, high)")
            continue
        if not _AUDACITY.fullmatch(line):
            raise NotTimed(number, f"{line[:60]!r} is no label (start, end, words)")
        start_s, end_s = (plain_seconds(each, number) for each in parts[:2])
        words = " ".join(parts[2:])
        yield stretch(words, number, start_s, end_s)


def _subtitles(lines: Sequence[str]) -> Iterator[ReadLabel]:
    block: list[tuple[int, str]] = []
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            block.append((number, line))
            continue
        if block and not re.match(r"WEBVTT|NOTE\b|STYLE\b|REGION\b", block[0][1]):
            yield _subtitle(block)
        block = []


def _subtitle(block: Sequence[tuple[int, str]]) -> ReadLabel:
    times = [(at, _ARROW.fullmatch(line)) for at, (_, line) in enumerate(block[:2])]
    found = next(((at, match) for at, match in times if match), None)
    if found is None:
        raise NotTimed(block[0][0], f"{block[0][1][:60]!r} is no subtitle (start --> end, words)")
    at, match = found
    number = block[at][0]
    start_s, end_s = (subtitle_seconds(match[n], number) for n in (1, 2))
    words = " ".join(_MARKUP.sub("", line).strip() for _, line in block[at + 1 :])
    return stretch(words, number, start_s, end_s)


@dataclass
class _Track:
    line: int
    names: tuple[str, ...]
    title: str = ""
    start_s: float | None = None


def _tracks(lines: Sequence[str]) -> Iterator[_Track]:
    track: _Track | None = None
    names: tuple[str, ...] = ()
    for number, line in _numbered(lines):
        word, _, rest = line.strip().partition(" ")
        word, rest = word.upper(), rest.strip()
        if word not in _CUE_WORDS:
            raise NotTimed(number, f"{line.strip()[:60]!r} is nothing that a cue sheet says")
        if word == "FILE":
            names = (_unquoted(rest.rpartition(" ")[0] or rest),)
        elif word == "TRACK":
            if track is not None:
                yield track
            track = _Track(number, names)
        elif track is not None:
            _tell(track, word, rest, number, names)
    if track is not None:
        yield track


def _tell(track: _Track, word: str, rest: str, line: int, names: tuple[str, ...]) -> None:
    which, _, time = rest.partition(" ")
    if word == "TITLE":
        track.title = _unquoted(rest)
    elif word == "INDEX" and which.isdecimal() and int(which) == 1:
        track.names = names  # a file may begin between a pregap and its track
        track.start_s = cue_seconds(time.strip(), line)


def _cue_sheet(lines: Sequence[str]) -> Iterator[ReadLabel]:
    tracks = list(_tracks(lines))
    for track, following in zip(tracks, [*tracks[1:], None], strict=True):
        if track.start_s is None:
            raise NotTimed(track.line, "a track without its INDEX 01")
        end_s = None
        if following is not None and following.names == track.names:
            end_s = following.start_s
        if end_s is None:
            yield ReadLabel(track.title, track.line, track.names, track.start_s)
        else:
            yield stretch(track.title, track.line, track.start_s, end_s, names=track.names)


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


_READERS: Mapping[str, Callable[[Sequence[str]], Iterator[ReadLabel]]] = {
    "captions": _sentences,
    "audacity": _audacity,
    "subrip": _subtitles,
    "cue": _cue_sheet,
}
_REMEDIES = {
    "captions": "a list has one sentence a line; a table is named .csv or .tsv and has a column"
    " `caption`",
    "table": "its first line names the columns",
}
