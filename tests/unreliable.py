"""What stands before a server: it can be away, or swallow an answer; it hears what is asked."""

from __future__ import annotations

import contextlib
import re
import socket
import threading

from harness.tracking.server import free_port

HOST = "127.0.0.1"
REQUEST = re.compile(rb"([A-Z]+ [^ ?]+)\S* HTTP/1")


class Proxy:
    """Passes connections on to a port of this host. `away` refuses them; `swallow` lets requests
    whose text holds what is given through, once, and cuts the connection before the answer.
    `requests` are the methods and paths of what was asked."""

    def __init__(self, target: int) -> None:
        self.target, self.port = target, free_port(0)
        self.swallowed: list[bytes] = []
        self.requests: list[str] = []
        self._to_swallow: bytes | None = None
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.come_back()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def swallow(self, text: bytes) -> None:
        self._to_swallow = text

    def come_back(self) -> None:
        listener = socket.create_server((HOST, self.port))
        self._listener = listener
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()

    def go_away(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            # A thread that waits in `accept` keeps a closed socket listening: this wakes it.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        upstream = socket.create_connection((HOST, self.target))
        self._open |= {client, upstream}
        cut = threading.Event()
        back = threading.Thread(target=self._pump, args=[upstream, client, cut], daemon=True)
        back.start()
        self._pump(client, upstream, cut, looked_at=True)
        back.join()
        self._open -= {client, upstream}
        client.close()
        upstream.close()

    def _pump(
        self,
        source: socket.socket,
        target: socket.socket,
        cut: threading.Event,
        looked_at: bool = False,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not looked_at and cut.is_set():
                    break
                if looked_at and (request := REQUEST.match(data)):
                    self.requests.append(request[1].decode())
                if looked_at and self._to_swallow is not None and self._to_swallow in data:
                    self.swallowed.append(self._to_swallow)
                    self._to_swallow = None
                    cut.set()
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
