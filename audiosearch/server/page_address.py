"""Where the page is given: its socket, by what names it may be asked, and the token for it."""

from __future__ import annotations

import errno
import ipaddress
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Final, NamedTuple

from audiosearch.config import Config, ServeConfig
from audiosearch.errors import ConfigError
from audiosearch.server.access_token import AccessToken
from audiosearch.server.guard import GuardPolicy
from audiosearch.server.http_server import BACKLOG
from audiosearch.store.database import open_database

_LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "::1")
_ANY: Final = ("0.0.0.0", "::", "")  # noqa: S104 - what it is compared with
_LOCAL: Final = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - as above
REACH_S: Final = 10.0  # for a page of this machine to say whose it is
_MOST_STATUS: Final = 1 << 20  # bytes
# Of the addresses that are kept for documents; nothing is sent there.
_ANYWHERE: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


class PortTaken(ConfigError):
    """Another program listens there, or another process that gives this library's page."""


@dataclass(frozen=True, kw_only=True)
class PageSocket:
    """An open socket for the page.

    Attributes:
        host: as it was asked for.
        port: that was taken.
        is_local: only programs of this machine can reach it.
    """

    socket: socket.socket
    host: str
    port: int
    is_local: bool

    @property
    def url(self) -> str:
        """For people and browsers of this machine."""
        return _url(_from_here(self.host), self.port)

    @property
    def url_elsewhere(self) -> str | None:
        """For browsers of other machines; None: they cannot reach it."""
        if self.is_local:
            return None
        return _url(_own_address(self.socket.family) if self.host in _ANY else self.host, self.port)

    def policy(self, token: AccessToken | None) -> GuardPolicy:
        """Whom it answers: who asks by its own names, and shows `token` where there is one."""
        own = {self.host.lower()}
        if self.host in _ANY:
            name = socket.gethostname().lower()
            own = {name, f"{name}.local"}  # the second by multicast DNS
        return GuardPolicy(
            port=self.port,
            hosts=frozenset((*_LOOPBACK_NAMES, *own)),
            any_address=self.host in _ANY,
            admit=None if token is None else token.admit,
        )


def _from_here(host: str) -> str:
    """The address at which this machine reaches what listens on `host`."""
    return _LOCAL.get(host, host)


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _own_address(family: socket.AddressFamily | int) -> str:
    """By what others in the network reach this machine: its address on the way out, or its name."""
    family = socket.AddressFamily(family)
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect((_ANYWHERE[family], 9))  # chooses the way of a datagram, and sends none
            return str(probe.getsockname()[0])
        except OSError:  # no way leads out
            return socket.gethostname()


def open_page_socket(config: ServeConfig) -> PageSocket:
    """Listen where the settings say.

    Raises:
        PortTaken: it is.
        ConfigError: the port is not allowed, or the address is none of this machine.
    """
    host, port = config.host.strip(), config.port
    shown = f"{host}:{port}"
    try:
        [(family, _, _, _, address), *_] = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except socket.gaierror as error:
        raise ConfigError(
            f"{host!r} is no address of this machine", remedy="give --host 127.0.0.1"
        ) from error
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"{shown} is taken by another program, or this library is served there already",
                remedy=f"see {_url(_from_here(host), port)}, or give another port ([serve]"
                " port in the settings, or --port of audiosearch serve); 0 takes any that is free",
            ) from error
        # A unit that was written before the page was switched on allows no such socket.
        is_refused = isinstance(error, OSError) and error.errno == errno.EAFNOSUPPORT
        raise ConfigError(
            f"{shown} cannot be listened on: {reason}",
            remedy="where the daemon is a service: audiosearch service install"
            if is_refused
            else None,
        ) from error
    is_local = ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback
    return PageSocket(
        socket=listener,
        host=host,
        port=int(listener.getsockname()[1]),
        is_local=is_local,
    )


@dataclass(frozen=True, kw_only=True)
class Page:
    """Where the page is given, and what must be shown for it.

    Attributes:
        token: None: nobody needs one.
        new_token: where one was just made, itself, to be told this once; else empty.
    """

    socket: PageSocket
    token: AccessToken | None
    new_token: str = ""

    @property
    def url_to_open(self) -> str:
        """For the browser of who started this."""
        is_due = self.token is not None and self.new_token
        return f"{self.socket.url}?token={self.new_token}" if is_due else self.socket.url

    def remarks(self) -> Iterator[str]:
        """What the one who started this should know."""
        if not self.socket.is_local:
            yield (
                f"warning: others on the network can reach this at {self.socket.host},"
                " unencrypted; who has the token can hear, export and change all of the library"
            )
        if self.new_token:
            yield f"the token, shown this once: {self.new_token}"
        if self.token is None:
            return
        elsewhere = self.socket.url_elsewhere
        if self.new_token:
            yield f"open {self.url_to_open} once in a browser, from then on without it"
            if elsewhere is not None:
                yield f"on another machine: {elsewhere}?token={self.new_token}"
        else:
            yield "the token is that of before (--new-token makes another)"
            if elsewhere is not None:
                yield f"other machines reach it at {elsewhere}"


def open_page(config: Config, *, new_token: bool = False, tells_token: bool = True) -> Page:
    """Listen where the settings say; a token is due where other machines can come.

    Args:
        config: the settings.
        new_token: make another token even where there is one.
        tells_token: whether somebody is there to be told a new token.

    Raises:
        ConfigError: as of `open_page_socket`; a token is due and there is none, nor one to be told.
        StoreError: the token cannot be read or written.
    """
    opened = open_page_socket(config.serve)
    try:
        is_due = not opened.is_local or config.serve.access == "token"
        if not (is_due or new_token):
            return Page(socket=opened, token=None)
        kept = None if new_token else AccessToken.kept(config.data_dir)
        if kept is not None:
            return Page(socket=opened, token=kept)
        if not tells_token:
            raise ConfigError(
                f"the page at {opened.host} needs a token, and there is none yet",
                path=config.config_file,
                remedy="audiosearch serve --new-token makes one and shows it",
            )
        made, text = AccessToken.made(config.data_dir)
        return Page(socket=opened, token=made if is_due else None, new_token=text)
    except BaseException:
        opened.socket.close()
        raise


class RenewedToken(NamedTuple):
    """Another token for a page that may be given already.

    Attributes:
        token: to be shown once.
        url: of the page that takes it; empty: the settings' address gives none of this library.
        is_due: whether that page asks for a token; else it takes whoever is on this machine.
    """

    token: str
    url: str
    is_due: bool


def renew_token(config: Config) -> RenewedToken:
    """Make another token, and see who takes it.

    Raises:
        StoreError: the token cannot be written, or the library's server not be reached.
    """
    database = _shown_database(config)
    _, token = AccessToken.made(config.data_dir)
    host = _from_here(config.serve.host.strip())
    is_ours = _database_at(host, config.serve.port, token) == database
    is_due = is_ours and _database_at(host, config.serve.port, None) != database
    return RenewedToken(token, _url(host, config.serve.port) if is_ours else "", is_due)


def _database_at(host: str, port: int, token: str | None) -> object:
    """Where the library lies whose page is given there; None: it does not tell, or is no page."""
    connection = HTTPConnection(host, port, timeout=REACH_S)
    try:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        connection.request("GET", "/api/status", headers=headers)
        told = json.loads(connection.getresponse().read(_MOST_STATUS))
        return told.get("database")
    except (OSError, HTTPException, ValueError, AttributeError):  # some other program
        return None
    finally:
        connection.close()


def _shown_database(config: Config) -> str:
    """Where the library is, as a page of it says."""
    if not config.store.url:
        return str(config.database)
    with open_database(config.database, read_only=True, store=config.store) as database:
        return database.shown
