"""What a URL of sounds is here (`s3://bucket/folder/a.wav`); knows no network.

It is kept like a path: as bytes, nothing in it escaped, without a "/" at the end, with no part that
is empty or only dots; so `pathlib` takes nothing away from it.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

from audiosearch.errors import AudiosearchError

if sys.platform == "win32":
    from pathlib import WindowsPath as _SystemPath
else:
    from pathlib import PosixPath as _SystemPath

SEPARATOR: Final = b"/"
_URL: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)  # no Windows drive
_COLLAPSED: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):[/\\]+")
_SAME: Final = {b"s3a": b"s3", b"s3n": b"s3", b"gcs": b"gs"}
_LOCAL: Final = (b"file", b"local")
_WEB: Final = (b"http", b"https")
_CHAIN: Final = re.compile(rb"::[A-Za-z][A-Za-z0-9+.-]*://")
_SECRETS: Final = re.compile(r"//[^/@\s]*@|\?\S*")


class UrlPath(_SystemPath):
    """A URL where a `Path` is wanted: its text is the URL, its parts are those of a path.

    `name`, `suffix`, `parent` and `/` do what they do of a path. There is nothing on the disk.
    """

    def __str__(self) -> str:
        text = super().__str__()
        found = _COLLAPSED.match(text)
        if found is None:
            return text
        return f"{found[1]}://{text[found.end() :].replace(os.sep, '/')}"

    def __fspath__(self) -> str:
        return str(self)


def is_url(path: bytes | str) -> bool:
    """Whether this is a URL, rather than a path; one of `file://` is no path until it is normal."""
    given = path if isinstance(path, bytes) else os.fsencode(path)
    return b"://" in given and _URL.match(given) is not None


def any_path(text: str) -> Path:
    """A path, or what stands for a URL where a path is wanted.

    Raises:
        AudiosearchError: it is a URL that the library must not keep.
    """
    if not is_url(text):
        return Path(text)
    normal = normal_url(os.fsencode(text))
    return (UrlPath if is_url(normal) else Path)(os.fsdecode(normal))


def separator_of(path: bytes) -> bytes:
    """What stands between the parts of a path, or of a URL."""
    return SEPARATOR if is_url(path) else os.fsencode(os.sep)


def protocol_of(url: bytes) -> str:
    """How a URL begins, in lower case: `s3`."""
    found = _URL.match(url)
    assert found is not None
    return found[1].lower().decode("ascii")


def store_of(url: bytes) -> bytes:
    """The part of a URL that names the store: `s3://bucket`."""
    scheme, _, rest = url.partition(b"://")
    return scheme + b"://" + rest.partition(b"/")[0]


def without_secrets(text: str) -> str:
    """A text of somebody else's, with what may be a password or a signature in a URL taken out."""
    return _SECRETS.sub(lambda found: "?..." if found[0].startswith("?") else "//...@", text)


def normal_url(given: bytes) -> bytes:
    """A URL as the library keeps it; of `file://`, the absolute path.

    Raises:
        AudiosearchError: it holds a password or a signature, which the library must not keep, is
            made of several, or names no place in a store. What it says shows no secret.
    """
    found = _URL.match(given)
    if found is None:
        raise _refused(given, "is no URL")
    scheme, rest = found[1].lower(), found[2]
    if _CHAIN.search(rest):
        raise _refused(given, "is made of several URLs", "give the URL of a folder")
    if scheme in _LOCAL:
        return _local_path(given, rest)
    if _has_password(rest.partition(b"/")[0]):
        raise _refused(
            scheme + b"://...",
            "holds a password, which would be kept and shown",
            "leave it out, and give it to the store's own settings, such as ~/.aws/credentials",
        )
    if scheme in _WEB and b"?" in rest:
        raise _refused(
            given,
            "holds a query, which may be a signature that would be kept and shown",
            "give the URL of a folder without one",
        )
    parts = rest.rstrip(b"/").split(b"/")
    if not is_plain(b"/".join(parts)):
        raise _refused(given, "has a part that is empty or only dots", "leave that part out")
    return _SAME.get(scheme, scheme) + b"://" + b"/".join(parts)


def _has_password(authority: bytes) -> bool:
    """Whether a name and a password stand before the host; a "/" in these ends them early."""
    user, _, host = authority.rpartition(b"@")
    _, colon, port = (b"", b"", b"") if host.startswith(b"[") else host.partition(b":")
    return b":" in user or bool(colon and not port.isdigit())


def is_plain(key: bytes) -> bool:
    """Whether a name below a URL can be kept: no part of it is empty or only dots."""
    return b"\0" not in key and not {b"", b".", b".."} & set(key.split(b"/"))


def _local_path(given: bytes, rest: bytes) -> bytes:
    import socket  # noqa: PLC0415 - most names are no URLs
    from urllib.parse import unquote_to_bytes  # noqa: PLC0415

    host, slash, path = rest.partition(b"/")
    name = host.decode("ascii", "replace").lower()
    if name not in ("", "localhost", socket.gethostname().lower()):
        raise _refused(given, "is on another machine", "mount it here, and give its path")
    if not slash:
        raise _refused(given, "names no folder", "give one: file:///srv/sounds")
    path = path.lstrip(b"/") if os.name == "nt" else slash + path
    plain = os.path.abspath(path)  # noqa: PTH100 - bytes
    # Programs escape such URLs, people do not.
    return plain if os.path.lexists(plain) else os.path.abspath(unquote_to_bytes(path))  # noqa: PTH100


def _refused(given: bytes, reason: str, remedy: str | None = None) -> AudiosearchError:
    shown = without_secrets(given.decode("utf-8", "replace"))
    return AudiosearchError(reason, path=shown, remedy=remedy)
