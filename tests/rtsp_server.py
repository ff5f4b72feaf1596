"""A small RTSP server on the loopback (RFC 2326, RTP interleaved in TCP, MPEG transport stream as RFC 2250 says).

Enough for one client at a time, and under the test's control: it plays a file once per connection and then hangs up.
"""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_PACKETS = 7 * 188


class RtspServer:
    """Serves a transport stream as ``url``; counts how often it was played."""

    def __init__(self, stream: Path) -> None:
        self._data = stream.read_bytes()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/camera"
        self.played = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self._converse(connection)
                except OSError:
                    continue

    def _converse(self, connection: socket.socket) -> None:
        stream = connection.makefile("rwb")
        while request := stream.readline().decode():
            headers = {}
            while line := stream.readline().decode().strip():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            method = request.split()[0]
            stream.write(self._answer(method, headers).encode())
            stream.flush()
            if method == "PLAY":
                self._play(connection)
                return

    def _answer(self, method: str, headers: dict[str, str]) -> str:
        more = {
            "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
            "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
            "PLAY": "Session: 1\r\n",
        }.get(method, "")
        body = ""
        if method == "DESCRIBE":
            body = (
                "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                "m=video 0 RTP/AVP 33\r\na=control:track\r\n"
            )
            more = f"Content-Type: application/sdp\r\nContent-Base: {self.url}/\r\nContent-Length: {len(body)}\r\n"
        return f"RTSP/1.0 200 OK\r\nCSeq: {headers.get('cseq', '0')}\r\n{more}\r\n{body}"

    def _play(self, connection: socket.socket) -> None:
        for number, begin in enumerate(range(0, len(self._data), _PACKETS)):
            payload = self._data[begin : begin + _PACKETS]
            packet = struct.pack("!BBHII", 0x80, 33, number & 0xFFFF, number * 900, 1) + payload
            connection.sendall(struct.pack("!cBH", b"$", 0, len(packet)) + packet)
        self.played += 1
