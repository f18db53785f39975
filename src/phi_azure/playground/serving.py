"""The server in front of the page: this machine alone, a thread a request."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler, make_server

from phi_azure.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.playground.app import Playground

HOST = "127.0.0.1"


class _Quiet(WSGIRequestHandler):
    """Logs nothing: a request's path holds the token."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  werkzeug's signature
        """Says nothing."""


@contextmanager
def served(playground: Playground, port: int = 0) -> Iterator[str]:
    """Serves the page until the block is left, and gives its address.

    Args:
        playground: what is served.
        port: 0 takes a free one.

    Raises:
        ConflictError: the port is taken.
    """
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise ConflictError(
            f"port {port} is taken.", remedy="Name another with --port, or 0 for a free one."
        ) from error
    number = listening.getsockname()[1]
    with listening:  # the server takes a copy
        server = make_server(HOST, number, playground, threaded=True, request_handler=_Quiet, fd=listening.fileno())
    serving = threading.Thread(target=server.serve_forever, name="playground", daemon=True)
    serving.start()
    try:
        yield f"http://{HOST}:{number}/{playground.token}/"
    finally:
        server.shutdown()
        server.server_close()
