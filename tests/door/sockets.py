"""WebSockets by hand (RFC 6455), so that a test can send half of anything; and upstreams by hand."""

import base64
import hashlib
import os
import socket
import struct
import threading

from claims import Broken, hold, same

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
WITHIN_S = 10


def frame(opcode, payload=b"", masked=True, fin=True):
    """One frame, as a client sends it, or as a server does where it is not masked."""
    head = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    if not masked:
        return head + payload
    key = os.urandom(4)
    stretched = (key * (len(payload) // 4 + 1))[: len(payload)]
    hidden = int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")
    return head + key + hidden.to_bytes(len(payload), "big")


def accept(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest())  # noqa: S324 - the RFC's own choice


class End:
    """A socket that is read by the piece."""

    def __init__(self, one):
        self.one = one
        self.one.settimeout(WITHIN_S)
        self.input = b""

    def send(self, data):
        self.one.sendall(data)

    def more(self):
        """False at the end."""
        data = self.one.recv(65536)
        self.input += data
        return bool(data)

    def exactly(self, count):
        while len(self.input) < count:
            if not self.more():
                raise Broken(f"the connection ended within {count} bytes: {self.input[-200:]!r}")
        data, self.input = self.input[:count], self.input[count:]
        return data

    def head(self):
        """A head: its first line, and its headers in lower case."""
        while b"\r\n\r\n" not in self.input:
            if not self.more():
                raise Broken(f"the connection ended before a head: {self.input[-200:]!r}")
        head, _, self.input = self.input.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        pairs = [line.split(b":", 1) for line in lines]
        return first.decode(), {name.strip().lower().decode(): value.strip().decode() for name, value in pairs}

    def frame(self):
        """The next frame: opcode and payload. `None` at the end of the connection, between two frames."""
        while not self.input:
            try:
                if not self.more():
                    return None
            except ConnectionResetError:
                return None
        first, second = self.exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self.exactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.exactly(8))
        key = self.exactly(4) if second & 0x80 else b"\0\0\0\0"
        payload = self.exactly(length)
        stretched = (key * (length // 4 + 1))[:length]
        shown = int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")
        return first & 0x0F, shown.to_bytes(length, "big")

    def closed(self):
        """The close frame that comes next, and that the connection ends behind it: code and reason."""
        found = self.frame()
        hold(found is not None and found[0] == CLOSE, f"expected a close frame, got {found!r}")
        code, reason = struct.unpack(">H", found[1][:2])[0], found[1][2:].decode()
        try:
            self.send(frame(CLOSE, found[1][:2]))
        except OSError:
            pass
        same(self.frame(), None, "what follows the close frame")
        return code, reason

    def rest(self):
        """Everything to the end of the connection."""
        try:
            while self.more():
                pass
        except ConnectionResetError:
            pass
        data, self.input = self.input, b""
        return data

    def close(self):
        self.one.close()

    def reset(self):
        self.one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.one.close()


class Caller(End):
    """A caller who asks for a WebSocket."""

    def __init__(self, port, path="/v1/realtime?model=gpt-realtime", headers=(), early=b"", small_buffer=False):
        one = socket.socket()
        if small_buffer:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(WITHIN_S)
        one.connect(("127.0.0.1", port))
        super().__init__(one)
        self.key = base64.b64encode(os.urandom(16))
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: Upgrade", "Upgrade: websocket"]
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {self.key.decode()}"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + early)

    def answer(self):
        """The status of the answer, and its headers."""
        first, headers = self.head()
        return int(first.split()[1]), headers

    def joined(self):
        """Waits for the 101; its headers."""
        status, headers = self.answer()
        same(status, 101, f"status ({self.input[:300]!r})")
        same(headers.get("sec-websocket-accept"), accept(self.key).decode(), "sec-websocket-accept")
        same((headers.get("upgrade", "").lower(), headers.get("connection", "").lower()), ("websocket", "upgrade"), "upgrade")
        return headers

    def greeted(self):
        """Waits for the 101 and chaos' greeting."""
        headers = self.joined()
        opcode, payload = self.frame()
        hold(opcode == TEXT and b'"session.created"' in payload, f"greeting: {payload[:200]!r}")
        return headers

    def echo(self, payload, opcode=TEXT):
        self.send(frame(opcode, payload))
        same(self.frame(), (opcode, payload), f"echo of {len(payload)} bytes")

    def body(self, headers):
        return self.exactly(int(headers["content-length"]))


class Upstream:
    """An upstream by hand: `serve(end)` is called for each connection, on a thread of its own."""

    def __init__(self, serve, context=None):
        """With a `context` it speaks TLS."""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"{'https' if context else 'http'}://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.serve = serve
        self.context = context
        self.problems = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one):
        try:
            if self.context:
                one = self.context.wrap_socket(one, server_side=True)
            self.serve(End(one))
        except Exception as problem:  # noqa: BLE001 - told by whoever looks
            self.problems.append(problem)
        finally:
            one.close()

    def end(self):
        self.listener.close()


def say_yes(end, headers):
    """The 101 that these headers ask for."""
    key = accept(headers["sec-websocket-key"].encode()).decode()
    end.send(f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {key}\r\n\r\n".encode())
