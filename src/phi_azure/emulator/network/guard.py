"""The patches that stand between this process's clients and the network."""

from __future__ import annotations

import concurrent.futures.thread
import contextlib
import errno
import importlib.util
import ipaddress
import socket
import ssl
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from phi_azure.emulator.network.loopback import refusal
from phi_azure.emulator.network.names import is_azure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Azure's names resolve to this address. It lies in the loopback network, so that whoever still holds it when the
# interception is over is refused at once by the operating system; nobody listens there.
STAND_IN = "127.80.72.73"
_INTERNET = (socket.AF_INET, socket.AF_INET6)
_MISSING = object()

# Threads that a former interception left behind: they must not take up with the real Azure, nor with the next emulator.
_stragglers: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_lingering: list[Guard] = []
_lingering_lock = threading.Lock()


class Guard:
    """Decides about each connection of the process: to the emulator, to this machine, or refused.

    Every patch asks first whether the guard is on. It goes off when the interception ends, and its patches go with it,
    except when threads of the interception still run (a poller, a telemetry exporter): then they stay, let everybody
    else pass, and go with the last of those threads.
    """

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext,
        refused: Callable[[str], None],
        *,
        allow_loopback: bool,
    ) -> None:
        self._port = port
        self._context = context
        self._refused = refused
        self._allow_loopback = allow_loopback
        self._own_name = socket.gethostname().lower()
        self._on = False
        self._before: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._seen: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._patched: list[tuple[Any, str, object, object]] = []

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Put the patches in place for the length of a block."""
        with _lingering_lock:
            while _lingering:
                _lingering.pop().remove()
        self._before.update(threading.enumerate())
        self._on = True
        try:
            self._patch_names()
            self._patch_sockets()
            self._patch_event_loops()
            self._patch_tls()
            yield
        finally:
            self._on = False
            self._seen.discard(threading.current_thread())  # whoever ends the interception knows that it is over
            _stragglers.update(thread for thread in self._seen if thread.is_alive())
            self._linger_or_leave()

    def remove(self) -> None:
        """Take the patches back, except where somebody else has patched over one: there it lets everything pass."""
        for owner, name, before, ours in reversed(self._patched):
            if vars(owner).get(name) is not ours:
                continue
            if before is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
        self._patched.clear()

    def _linger_or_leave(self) -> None:
        with _lingering_lock:
            waiting = any(thread.is_alive() for thread in _stragglers)
            _lingering[:] = [self] if waiting else []
            if not waiting:
                self.remove()

    def _patch(self, owner: Any, name: str, ours: object) -> None:
        self._patched.append((owner, name, vars(owner).get(name, _MISSING), ours))
        setattr(owner, name, ours)

    # Decisions

    def _leads_to_emulator(self, host: str, port: object) -> bool:
        """Tell whether a host is the emulator's; False lets the call pass, and a refused host is an error."""
        if is_azure(host):
            return self._admit_thread(host)
        if not self._on:
            self._linger_or_leave()
            return False
        if _is_loopback(host, self._own_name) and (self._allow_loopback or port == self._port):
            return False
        self._refused(f"{host}:{port}" if port else host)
        raise ConnectionRefusedError(errno.ECONNREFUSED, refusal(host))

    def _admit_thread(self, host: str) -> bool:
        thread = threading.current_thread()
        if thread in _stragglers:
            message = f"{thread.name} was started under an emulator of phi_azure that is gone; {host} was refused"
            raise ConnectionRefusedError(errno.ECONNREFUSED, message)
        if not self._on:
            self._linger_or_leave()
            return False
        if thread not in self._before and thread not in self._seen and _works_for_one_caller(thread):
            self._seen.add(thread)
        return True

    # Names

    def _patch_names(self) -> None:
        """Azure's names need no DNS; others must not even be asked for, a query would leave the process."""
        real = socket.getaddrinfo
        by_name, by_name_ex = socket.gethostbyname, socket.gethostbyname_ex

        def getaddrinfo(
            host: bytes | str | None,
            port: bytes | str | int | None,
            family: int = 0,
            type: int = 0,  # noqa: A002
            proto: int = 0,
            flags: int = 0,
        ) -> object:
            name = _text(host)
            if not name or not self._leads_to_emulator(name, port):
                return real(host, port, family, type, proto, flags)
            if family not in (socket.AF_UNSPEC, socket.AF_INET):
                raise socket.gaierror(socket.EAI_NONAME, f"{name} has only an IPv4 address in phi_azure's emulator")
            return real(STAND_IN, port, socket.AF_INET, type or socket.SOCK_STREAM, proto, 0)

        def gethostbyname(hostname: str) -> str:
            return STAND_IN if self._leads_to_emulator(_text(hostname), None) else by_name(hostname)

        def gethostbyname_ex(hostname: str) -> tuple[str, list[str], list[str]]:
            if self._leads_to_emulator(_text(hostname), None):
                return hostname, [], [STAND_IN]
            return by_name_ex(hostname)

        self._patch(socket, "getaddrinfo", getaddrinfo)
        self._patch(socket, "gethostbyname", gethostbyname)
        self._patch(socket, "gethostbyname_ex", gethostbyname_ex)

    # Sockets

    def _patch_sockets(self) -> None:
        """Connections are decided here again: anyio drops the port that getaddrinfo gave, and IMDS has no name."""
        connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
        sendto: Callable[..., int] = socket.socket.sendto

        def guarded_connect(sock: socket.socket, address: Any, /) -> None:
            connect(sock, self._destination(sock, address))

        def guarded_connect_ex(sock: socket.socket, address: Any, /) -> int:
            try:
                address = self._destination(sock, address)
            except ConnectionRefusedError:
                return errno.ECONNREFUSED
            return connect_ex(sock, address)

        def guarded_sendto(sock: socket.socket, data: Any, *flags_and_address: Any) -> int:
            *flags, address = flags_and_address
            return sendto(sock, data, *flags, self._destination(sock, address))  # datagrams leave unconnected

        # socket.socket inherits these from C; setting them on it shadows them, and deleting them restores.
        self._patch(socket.socket, "connect", guarded_connect)
        self._patch(socket.socket, "connect_ex", guarded_connect_ex)
        self._patch(socket.socket, "sendto", guarded_sendto)

    def _destination(self, sock: socket.socket, address: Any) -> Any:
        if sock.family not in _INTERNET or not isinstance(address, tuple):
            return address
        host = _text(address[0])
        if (host == STAND_IN and self._admit_thread("Azure")) or self._leads_to_emulator(host, address[1]):
            return "127.0.0.1", self._port
        return address

    def _patch_event_loops(self) -> None:
        """Close the two ways past Python's sockets that common event loops have."""
        if sys.platform == "win32":  # its loop connects inside the operating system
            from asyncio.proactor_events import BaseProactorEventLoop

            sock_connect = BaseProactorEventLoop.sock_connect

            async def guarded_sock_connect(loop: Any, sock: socket.socket, address: Any) -> None:
                await sock_connect(loop, sock, self._destination(sock, address))

            self._patch(BaseProactorEventLoop, "sock_connect", guarded_sock_connect)
        if importlib.util.find_spec("aiodns") and importlib.util.find_spec("aiohttp"):  # aiohttp then asks DNS itself
            from aiohttp.resolver import AsyncResolver, ThreadedResolver

            async def resolve(_: object, host: str, port: int = 0, family: Any = socket.AF_INET) -> object:
                return await ThreadedResolver().resolve(host, port, family)

            self._patch(AsyncResolver, "resolve", resolve)

    # TLS

    def _patch_tls(self) -> None:
        """Connections to Azure's names are made with a context of ours, so that no context of the user's is changed.

        Requests and aiohttp bring contexts that trust certifi's bundle; theirs stay as they are. Subclasses that wrap
        in their own way (truststore asks the operating system on macOS and Windows) are patched as well.
        """
        with contextlib.suppress(ImportError):
            import truststore  # noqa: F401 (httpx2 uses it; imported, it is among the subclasses)
        base: type[ssl.SSLContext] = next(cls for cls in ssl.SSLContext.__mro__ if cls.__module__ == "ssl")
        wrap_socket, wrap_bio = base.wrap_socket, base.wrap_bio
        for cls in _with_subclasses(base):
            self._patch_wrapping(cls, "wrap_socket", wrap_socket)
            self._patch_wrapping(cls, "wrap_bio", wrap_bio)

    def _patch_wrapping(self, cls: type[ssl.SSLContext], name: str, wrap: Callable[..., Any]) -> None:
        if name not in vars(cls):
            return
        unguarded = vars(cls)[name]

        def guarded(context: ssl.SSLContext, *args: Any, **kwargs: Any) -> Any:
            host = kwargs.get("server_hostname")
            if self._on and host and is_azure(_text(host)):
                # A session belongs to the context that made it, and would be refused by ours.
                return wrap(self._context, *args, **{**kwargs, "session": None})
            return unguarded(context, *args, **kwargs)

        self._patch(cls, name, guarded)


def _works_for_one_caller(thread: threading.Thread) -> bool:
    """Tell whether a thread is there for one purpose, as a poller or an exporter is.

    Workers of an executor, threads with an event loop and threads that Python did not start serve whoever comes; when
    the interception is over they may have honest work with the real Azure.
    """
    workers = getattr(concurrent.futures.thread, "_threads_queues", {})
    foreign = isinstance(thread, threading._DummyThread)  # noqa: SLF001 (the class has no public name)
    return not (foreign or thread in workers or _has_event_loop())


def _has_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")  # nobody runs a loop who has not imported it; the import costs 40 ms
    return asyncio is not None and asyncio._get_running_loop() is not None  # noqa: SLF001 (the public one raises)


def _is_loopback(host: str, own_name: str) -> bool:
    name = host.lower().rstrip(".")
    if name in {"", "localhost", own_name} or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _text(host: object) -> str:
    """Return a host's name as text: some callers pass bytes (asyncio), some nothing."""
    if host is None:
        return ""
    return host.decode("latin-1") if isinstance(host, (bytes, bytearray)) else str(host)


def _with_subclasses(cls: type[ssl.SSLContext]) -> Iterator[type[ssl.SSLContext]]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from _with_subclasses(subclass)
