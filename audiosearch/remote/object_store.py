"""One store of files at a URL (S3 and whatever else fsspec reaches): lists them, copies them here.

Only here the network is used. Rights come from the store's own ways; nothing of them goes further:
what its libraries say is passed on without what may be a secret, and without their tracebacks.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, Final, NamedTuple

from audiosearch._urls import SEPARATOR, protocol_of, without_secrets
from audiosearch.errors import (
    AudiosearchError,
    DecodeCode,
    DecodeError,
    FeatureUnavailable,
    RemoteUnavailable,
)

MISSING: Final = "pip install 'audiosearch[remote]'"
_EXTRA: Final = ("s3", "http", "https", "memory")  # protocols that the extra brings
# Whose listing of everything is known to be whole or to fail; others are asked folder by folder.
_LISTS_AT_ONCE: Final = ("s3",)
# File systems of fsspec that are views of another one, or no files at all.
_VIEWS: Final = frozenset(
    (
        *("asyncwrapper", "blockcache", "cached", "data", "dir", "filecache", "generic"),
        *("libarchive", "reference", "simplecache", "tar", "zip"),
    )
)
_VERSIONS: Final = (
    *("ETag", "etag", "e_tag", "generation", "md5Hash", "content_md5", "checksum"),
    *("Content-MD5", "Digest"),
)
_TIMES: Final = (
    *("LastModified", "last_modified", "Last-Modified", "updated", "mtime", "modified"),
    "created",
)
_ABSENT: Final = (404, 410)  # what web servers answer where there is nothing
_REFUSED: Final = (401, 403)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PART: Final = 1 << 20  # bytes written at a time
_BLOCK: Final = 8 << 20  # bytes asked for at a time
_LONGEST_REASON: Final = 200
_RIGHTS: Final = (
    "give rights as the store's own programs have them: in the environment, or ~/.aws/credentials"
)


class RemoteStat(NamedTuple):
    """What a store says of a file: its size in bytes, when it was written, and which version it is.

    `version` is a number made from what the store calls it by (an ETag, a generation); 0: nothing.
    """

    size: int
    mtime_ns: int
    version: int


class RemoteFile(NamedTuple):
    """A file of a listing; `key` is what follows the URL. A tuple, since there are many."""

    key: bytes
    stat: RemoteStat


class ObjectStore:
    """The store that a URL lies in; used by one thread.

    All that asks it raises FileNotFoundError where there is nothing, and RemoteUnavailable.
    """

    def __init__(self, url: bytes) -> None:
        """Look up what reaches the store; nothing is asked of it yet.

        Raises:
            FeatureUnavailable: what is needed for this kind of URL is not installed.
            AudiosearchError: it is no kind of URL at which files lie.
        """
        self._url = url
        system = _class_of(url)
        self._strip: Callable[[str], str] = system._strip_protocol
        with self._translated(url):
            given = system._get_kwargs_from_urls(_text(url))
            # Each question is answered by the store: a listing kept from before would hide changes.
            self._system: Any = system(**{**given, "use_listings_cache": False})

    def is_file(self) -> bool:
        """Whether a file lies at this very URL, rather than files below it."""
        with self._translated(self._url):
            return self._info(self._url).get("type") == "file"

    def is_empty(self) -> bool:
        """Whether there is nothing at this URL, nor directly below it."""
        path = self._path(self._url)
        with self._translated(self._url):
            try:
                return not any(_name(each) != path for each in self._system.ls(path, detail=True))
            except FileNotFoundError:
                return True

    def files_below(self, enters: Callable[[bytes], bool]) -> Iterator[RemoteFile | bytes]:
        """All files below this URL, in no order; for one whose size is not told, its key alone.

        `enters` says of a folder below whether it is looked into, where folders are asked for one
        by one; a store that lists everything at once is not asked so. A listing is whole, or fails.
        """
        path = self._path(self._url)
        prefix = _below(path)
        with self._translated(self._url):
            for info in self._listed(path, enters):
                name = info["name"]
                if info.get("type") != "file" or not name.startswith(prefix) or name[-1] == "/":
                    continue
                key = _bytes(name[len(prefix) :])
                if info.get("size") is None:  # a page of links tells nothing more
                    info = self._system.info(name)  # noqa: PLW2901
                yield key if info.get("size") is None else RemoteFile(key, stat_of(info))

    def stat(self, url: bytes) -> RemoteStat:
        """What the store says of the file at a URL."""
        with self._translated(url):
            info = self._info(url)
            if info.get("type") != "file":
                raise FileNotFoundError
            if info.get("size") is None:
                raise RemoteUnavailable("the store does not tell how long it is", path=url)
            return stat_of(info)

    def head(self, url: bytes, n_bytes: int) -> bytes:
        """The first bytes of the file at a URL."""
        with self._translated(url):
            content = self._system.cat_file(self._path(url), start=0, end=n_bytes)
        return bytes(content[:n_bytes])

    def copy(self, url: bytes, target: BinaryIO, *, check: Callable[[], None]) -> RemoteStat:
        """Write the file at a URL into `target`, bounded by its size; `check` may raise, to end it.

        Raises:
            DecodeError: CHANGED, it was replaced meanwhile.
            OSError: `target` cannot be written.
        """
        before = self.stat(url)
        n_bytes = 0
        for part in self._parts(url):
            check()
            n_bytes += len(part)
            if n_bytes > before.size:
                break
            target.write(part)
        if n_bytes != before.size or self.stat(url) != before:
            raise DecodeError(
                "written to or replaced while it was fetched", code=DecodeCode.CHANGED, path=url
            )
        return before

    def _parts(self, url: bytes) -> Iterator[bytes]:
        with contextlib.ExitStack() as stack:
            with self._translated(url):
                path = self._path(url)
                source = stack.enter_context(
                    self._system.open(path, "rb", block_size=_BLOCK, cache_type="readahead")
                )
            while True:
                with self._translated(url):
                    part = source.read(_PART)
                if not part:
                    return
                yield part

    def _listed(self, path: str, enters: Callable[[bytes], bool]) -> Iterator[Mapping[str, Any]]:
        if protocol_of(self._url) in _LISTS_AT_ONCE:
            yield from self._system.find(path, detail=True).values()
            return
        # Not by fsspec's own walk: it leaves out, without a word, folders that it cannot list.
        folders = [path]
        while folders:
            folder = folders.pop()
            try:
                listed = self._system.ls(folder, detail=True)
            except FileNotFoundError:
                if folder == path:
                    raise
                continue  # removed since it was listed
            for info in listed:
                name = info["name"].rstrip("/")
                if not name.startswith(_below(folder)):
                    continue  # itself, or a link to elsewhere
                if info.get("type") != "directory":
                    yield info
                elif enters(_bytes(name[len(_below(path)) :])):
                    folders.append(name)

    def _info(self, url: bytes) -> Mapping[str, Any]:
        info: Mapping[str, Any] = self._system.info(self._path(url))
        return info

    def _path(self, url: bytes) -> str:
        return self._strip(_text(url))

    @contextlib.contextmanager
    def _translated(self, url: bytes) -> Iterator[None]:
        """What the store's libraries raise, in our words: each has errors of its own."""
        try:
            yield
        except (AudiosearchError, MemoryError):
            raise
        except FileNotFoundError as error:
            # Web servers that refuse, or are not there, are told so too (fsspec's HTTP).
            cause = error.__cause__
            status = getattr(cause, "status", None)
            if status in _REFUSED:
                raise _denied(url) from None
            if isinstance(cause, OSError) or status not in (None, *_ABSENT):
                raise RemoteUnavailable(_reason(cause or error), path=url) from None
            raise
        except NotADirectoryError:
            raise FileNotFoundError(_text(url)) from None
        except PermissionError:
            raise _denied(url) from None
        except Exception as error:  # noqa: BLE001
            if "Credentials" in type(error).__name__:
                raise RemoteUnavailable(
                    "no rights for it are found", path=url, remedy=_RIGHTS
                ) from None
            raise RemoteUnavailable(_reason(error), path=url) from None


def _denied(url: bytes) -> RemoteUnavailable:
    return RemoteUnavailable("access is refused", path=url, remedy=_RIGHTS, denied=True)


def _class_of(url: bytes) -> Any:
    protocol = protocol_of(url)
    try:
        from fsspec import get_filesystem_class  # noqa: PLC0415 - for URLs alone
    except ImportError:
        raise FeatureUnavailable(
            "this needs the extra [remote]: fsspec is not installed",
            path=url,
            remedy=MISSING,
        ) from None
    if protocol in _VIEWS:
        raise AudiosearchError(f"{protocol}:// is no store of files", path=url)
    try:
        return get_filesystem_class(protocol)
    except ValueError:
        raise AudiosearchError(
            f"{protocol}:// is no kind of URL that fsspec knows",
            path=url,
            remedy="a path, or a URL such as s3://bucket/folder",
        ) from None
    except ImportError as error:
        if protocol in _EXTRA:
            reason = f"this needs the extra [remote]: what reaches {protocol}:// is not installed"
            raise FeatureUnavailable(reason, path=url, remedy=MISSING) from None
        raise FeatureUnavailable(
            f"what reaches {protocol}:// is not installed", path=url, remedy=_reason(error)
        ) from None


def stat_of(info: Mapping[str, Any]) -> RemoteStat:
    """What fsspec tells of a file, whatever the store calls it, and in a listing as when asked."""
    version = next((info[name] for name in _VERSIONS if info.get(name)), None)
    time_ns = next((_time_ns(info[name]) for name in _TIMES if info.get(name)), 0)
    if version is None:
        return RemoteStat(int(info["size"]), time_ns, 0)
    # Listings and single answers differ in quotes, and in how finely they tell the time.
    text = str(version).removeprefix("W/").strip('"')
    digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    number = int.from_bytes(digest, "big") >> 1  # a column of 64 bits with a sign holds it
    return RemoteStat(int(info["size"]), time_ns // 10**9 * 10**9, number)


def _time_ns(value: object) -> int:
    if isinstance(value, int | float):
        return round(value * 1e6) * 1000  # no finer than others tell the same time
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            try:
                value = parsedate_to_datetime(str(value))
            except ValueError:
                return 0
    if not isinstance(value, datetime):
        return 0
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1000


def _reason(error: BaseException) -> str:
    text = without_secrets(" ".join(str(error).split()))
    name = type(error).__name__
    if not text:
        return f"it cannot be reached: {name}"
    return f"it cannot be reached: {text[:_LONGEST_REASON]}"


def _name(info: Mapping[str, Any]) -> str:
    return str(info["name"]).rstrip("/")


def _below(path: str) -> str:
    return path.rstrip("/") + SEPARATOR.decode()


def _text(url: bytes) -> str:
    return url.decode("utf-8", "surrogateescape")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
