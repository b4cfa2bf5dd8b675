"""Which files hold sound, by the endings of their names.

Listed is what the demuxers that are allowed (`audio.container.DEMUXERS`) read and people have,
films too, whose sound is heard. Left out are playlists, which name other files, and endings that
mostly mean something else (`.dat`, `.act`, `.vpk`).
"""

from __future__ import annotations

from typing import Final

AUDIO_EXTENSIONS: Final = frozenset(
    {
        # samples as they are
        *(
            b"wav",
            b"wave",
            b"bwf",
            b"rf64",
            b"bw64",
            b"w64",
            b"amb",
            b"aif",
            b"aiff",
            b"aifc",
            b"aiffc",
            b"cdda",
        ),
        *(b"caf", b"au", b"snd", b"voc", b"8svx", b"svx", b"16sv", b"iff", b"sph", b"nist"),
        *(b"ircam", b"sf", b"avr", b"paf", b"fap", b"pvf", b"sox", b"sds", b"wve", b"rso"),
        # without loss
        *(b"flac", b"alac", b"ape", b"wv", b"tta", b"tak", b"shn", b"dsf", b"dff", b"wsd"),
        *(b"osq", b"rka", b"bonk", b"mlp", b"thd", b"truehd"),
        # music and radio
        *(b"mp3", b"mp2", b"mp1", b"mpa", b"m1a", b"m2a", b"mpga", b"aac", b"adts", b"loas"),
        *(b"latm", b"ogg", b"oga", b"opus", b"spx", b"weba", b"wma", b"mpc", b"mp+", b"vqf"),
        *(b"ra", b"ac3", b"eac3", b"ec3", b"ac4", b"dts", b"dtshd", b"oma", b"aa3", b"iamf"),
        # the family of MP4
        *(b"m4a", b"m4b", b"m4p", b"m4r", b"mp4", b"m4v", b"f4a", b"f4b", b"f4v", b"mov", b"qt"),
        *(b"qta", b"3gp", b"3gpp", b"3g2", b"3gp2", b"3ga", b"aax", b"aa"),
        # telephones and dictation
        *(b"amr", b"awb", b"qcp", b"dss", b"mmf", b"lc3"),
        # films
        *(b"mka", b"mkv", b"mk3d", b"webm", b"ogv", b"ogm", b"ogx", b"avi", b"divx", b"asf"),
        *(b"wmv", b"wtv", b"flv", b"mpg", b"mpeg", b"vob", b"ts", b"mts", b"m2ts", b"m2t"),
        *(b"mxf", b"gxf", b"dv", b"rm", b"rmvb", b"nut", b"nuv", b"nsv"),
        # games
        *(b"fsb", b"adx", b"hca", b"ast", b"brstm", b"bfstm", b"bcstm", b"xwma", b"msf"),
    }
)

# Programmers name TypeScript so, by the ten thousand: these are looked into before they count.
_SHARED: Final = (b".ts", b".mts")
_SYNC: Final = b"\x47"  # begins each packet of a transport stream
_PACKET: Final = 188  # bytes; with a time code of four before it, 192


def has_audio_extension(name: bytes) -> bool:
    """Whether a name ends like a sound file's."""
    _, dot, extension = name.rpartition(b".")
    return bool(dot) and extension.lower() in AUDIO_EXTENSIONS


def is_named_alike(path: bytes) -> bool:
    """Whether a regular file only shares its ending with sound files: TypeScript named `.ts`.

    Only files of such an ending are opened. One that cannot be is no such file: why it cannot be
    read is told when it is to be heard.
    """
    if not path.lower().endswith(_SHARED):
        return False
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # bytes
            head = file.read(2 * _PACKET)
    except OSError:
        return False
    return not any(
        head[start : start + 1] == head[start + length : start + length + 1] == _SYNC
        for start, length in ((0, _PACKET), (4, _PACKET + 4))
    )
