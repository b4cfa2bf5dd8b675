"""A clip's file, put together: what it says of itself before its samples, in WAV or in FLAC."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from audiosearch import __version__
from audiosearch.audio.metadata.riff import read_raw_chunks
from audiosearch.errors import AudiosearchError
from audiosearch.exchange.broadcast import BextChunk, ClipStory, clip_bext, clip_ixml
from audiosearch.exchange.clip_sources import ClipSource
from audiosearch.exchange.names import name_fields
from audiosearch.exchange.stretches import LabelledStretch, RecordingFacts

PROGRAM = f"audiosearch {__version__}"
MAX_RIFF_BYTES = 0xFFFFFFFF  # of a plain WAV
_IN_DS64 = 0xFFFFFFFF  # a size that stands in the ds64 chunk
_WANTED = frozenset((b"bext", b"ixml", b"fmt "))


@dataclass(frozen=True, kw_only=True)
class ClipContent:
    """A clip's file but for its samples."""

    kind: str
    bext: bytes
    ixml: bytes
    comments: dict[str, str]
    form: bytes | None  # the source's own fmt chunk, where it describes the samples

    @classmethod
    def of(
        cls, source: ClipSource, stretch: LabelledStretch, *, kind: str, ucs: str | None
    ) -> ClipContent:
        """What a clip says; `kind` is wav or flac, `ucs` a CatID in place of the source's own."""
        raw = read_raw_chunks(stretch.path, _WANTED)
        fields = name_fields(stretch, ucs=ucs)
        told = stretch.row.get("caption")
        story = ClipStory(
            source_name=stretch.name,
            caption=told.strip() if isinstance(told, str) and told.strip() else stretch.label,
            start_sample=round(stretch.start_s * source.rate),
            sample_rate=source.rate,
            channels=source.channels,
            bits=min(source.bits, 24) if kind == "flac" else source.bits,
            ucs=fields["ucs"],
            fields={
                "FXNAME": stretch.facts.first("ucs.fx_name"),
                "CREATORID": stretch.facts.first("ucs.creator_id"),
                "SOURCEID": stretch.facts.first("ucs.source_id"),
            },
            program=PROGRAM,
            clock_start=_clock(stretch.row.get("clock_start")),
        )
        told_bext = BextChunk.read(raw.get(b"bext", b"")) or _bext_of(stretch.facts)
        bext = clip_bext(told_bext, story)
        return cls(
            kind=kind,
            bext=_even(bext.pack()),
            ixml=_even(clip_ixml(raw.get(b"ixml"), bext, story)),
            comments=_comments(stretch, story, bext),
            form=None if source.decoded else _own_form(raw.get(b"fmt "), source),
        )

    def write(self, sound: BinaryIO, target: Path) -> None:
        """Put the file together from what libsndfile wrote."""
        if self.kind == "wav":
            with target.open("xb") as file:
                _write_wave(sound, file, bext=self.bext, ixml=self.ixml, own_form=self.form)
            return
        sound.seek(0)
        with target.open("xb") as file:
            while block := sound.read(1 << 20):
                file.write(block)
        _tag_flac(target, self)


def _clock(told: object) -> datetime | None:
    """When a stretch begins, as rows tell it: ISO 8601."""
    if isinstance(told, str):
        try:
            return datetime.fromisoformat(told)
        except ValueError:
            return None
    return told if isinstance(told, datetime) else None


def _bext_of(facts: RecordingFacts) -> BextChunk | None:
    """What the library knows of such a chunk, which FLAC keeps too."""
    reference = facts.first("bwf.time_reference")
    keys = ("description", "originator", "originator_reference", "date", "time")
    texts = [facts.first(f"bwf.{key}").encode("utf-8", "replace") for key in keys]
    if not any(texts) and not reference:
        return None
    return BextChunk(
        description=texts[0],
        originator=texts[1],
        reference=texts[2],
        date=texts[3],
        time=texts[4],
        time_reference=int(reference) if reference.isascii() and reference.isdecimal() else 0,
        history=facts.first("bwf.coding_history").encode("utf-8", "replace"),
    )


def _own_form(form: bytes | None, source: ClipSource) -> bytes | None:
    """The source's fmt chunk (channel mask, valid bits), if its samples are those written."""
    if form is None or len(form) < 16:
        return None
    tag, channels, rate, _, block, _ = struct.unpack_from("<HHIIHH", form)
    if tag == 0xFFFE and len(form) >= 26:
        (tag,) = struct.unpack_from("<H", form, 24)
    fits = (channels, rate, block) == (source.channels, source.rate, channels * source.bits // 8)
    return form if fits and tag == (3 if source.is_float else 1) else None


def _write_wave(
    sound: BinaryIO, file: BinaryIO, *, bext: bytes, ixml: bytes, own_form: bytes | None
) -> None:
    """RIFF, or RF64 beyond 4 GB: bext and iXML, the form, the samples that `sound` (RF64) holds."""
    form, n_samples, start, size = _read_sound(sound)
    chunks = [(b"bext", bext), (b"iXML", ixml), (b"fmt ", own_form or form)]
    tag = int.from_bytes((own_form or form)[:2], "little")
    if tag != 1:  # as all but plain integers must
        chunks.append((b"fact", struct.pack("<I", min(n_samples, _IN_DS64))))
    body = b"".join(_chunk(name, content) for name, content in chunks)
    riff_size = 4 + len(body) + 8 + size + size % 2
    is_long = riff_size > MAX_RIFF_BYTES
    if is_long:
        long = struct.pack("<QQQI", riff_size + 36, size, n_samples, 0)
        file.write(b"RF64" + struct.pack("<I", _IN_DS64) + b"WAVE" + _chunk(b"ds64", long))
    else:
        file.write(b"RIFF" + struct.pack("<I", riff_size) + b"WAVE")
    file.write(body + b"data" + struct.pack("<I", _IN_DS64 if is_long else size))
    sound.seek(start)
    remaining = size
    while remaining:
        block = sound.read(min(1 << 20, remaining))
        file.write(block)
        remaining -= len(block)
    file.write(b"\0" * (size % 2))


def _read_sound(sound: BinaryIO) -> tuple[bytes, int, int, int]:
    """Of an RF64 file of libsndfile's: the fmt chunk, samples of a channel, place and size."""
    sound.seek(12)
    form, n_samples, long = b"", 0, 0
    while header := sound.read(8):
        name, size = header[:4], int.from_bytes(header[4:], "little")
        if name == b"data":
            size = long if size == _IN_DS64 else size
            block = int.from_bytes(form[12:14], "little")
            return form, n_samples or size // block, sound.tell(), size
        content = sound.read(size + size % 2)
        if name == b"ds64":
            _, long, n_samples = struct.unpack_from("<QQQ", content)
        elif name == b"fmt ":
            form = content[:size]
    raise AudiosearchError("no sound was written")


def _even(content: bytes) -> bytes:
    """Texts padded within their chunk: libsndfile misses the byte behind odd ones in RF64."""
    return content + b" " * (len(content) % 2)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _comments(stretch: LabelledStretch, story: ClipStory, bext: BextChunk) -> dict[str, str]:
    facts = stretch.facts
    comments = {
        "TITLE": facts.first("title") or story.caption,
        "DESCRIPTION": story.caption,
        "ARTIST": facts.first("artist"),
        "DATE": bext.date.decode("ascii", "replace"),
        "GENRE": facts.first("genre"),
        "TIME_REFERENCE": str(bext.time_reference),
        "ORIGINAL_FILENAME": story.source_name,
    }
    return {key: value for key, value in comments.items() if value}


def _tag_flac(target: Path, content: ClipContent) -> None:
    """Comments, and the chunks of a WAV as `flac --keep-foreign-metadata` keeps them."""
    from mutagen.flac import FLAC, MetadataBlock  # noqa: PLC0415 - only here

    file = FLAC(target)
    if file.tags is None:
        file.add_tags()
    for key, value in content.comments.items():
        file[key] = value
    info = file.info
    bits, channels, rate = info.bits_per_sample, info.channels, info.sample_rate
    block = channels * ((bits + 7) // 8)
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * block, block, bits)
    size = min(info.total_samples * block, MAX_RIFF_BYTES)
    chunks = [_chunk(b"bext", content.bext), _chunk(b"iXML", content.ixml), _chunk(b"fmt ", form)]
    total = min(4 + sum(map(len, chunks)) + 8 + size + size % 2, MAX_RIFF_BYTES)
    heads = [b"RIFF" + struct.pack("<I", total) + b"WAVE", *chunks]
    heads.append(b"data" + struct.pack("<I", size))
    for head in heads:
        foreign = MetadataBlock(b"riff" + head)
        foreign.code = 2  # APPLICATION
        file.metadata_blocks.append(foreign)
    file.save()
