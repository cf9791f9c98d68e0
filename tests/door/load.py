"""A load: requests that come when they come (open loop), over kept connections.

No more of HTTP than Seawall and chaos answer with: a head, then `content-length` bytes or chunks.
"""

import asyncio
import collections
import json
import time


#: Connections to one port at a time.
OPEN_MAX = 3000
#: A connection that was idle for longer is not used again, as in the official SDKs.
IDLE_S = 4


class Reply:
    __slots__ = ("status", "head", "body", "began", "ended")

    def __init__(self, status, head, body, began):
        self.status = status
        self.head = head
        self.body = body
        self.began = began
        self.ended = time.monotonic()

    def header(self, name):
        marker = b"\r\n" + name.encode() + b": "
        at = self.head.find(marker)
        if at < 0:
            return None
        return self.head[at + len(marker) : self.head.index(b"\r\n", at + 2)].decode()


def request(path, body, headers=()):
    data = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", "content-type: application/json", f"content-length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self):
        self.transport = None
        self.buffer = bytearray()
        self.done = None
        self.began = 0.0
        self.ended = 0.0
        self.is_over = False

    def connection_made(self, transport):
        self.transport = transport

    def ask(self, data):
        self.done = asyncio.get_running_loop().create_future()
        self.began = time.monotonic()
        self.transport.write(data)
        return self.done

    def data_received(self, data):
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0 or self.done is None:
            return
        head = bytes(self.buffer[: end + 2]).lower()
        body = self.buffer[end + 4 :]
        at = head.find(b"\r\ncontent-length: ")
        if at >= 0:
            length = int(head[at + 18 : head.index(b"\r\n", at + 18)])
            if len(body) < length:
                return
        elif not body.endswith(b"0\r\n\r\n"):
            return
        self.finish(Reply(int(head[9:12]), bytes(self.buffer[: end + 2]), bytes(body), self.began))

    def finish(self, reply):
        self.buffer.clear()
        self.ended = time.monotonic()
        done, self.done = self.done, None
        if done is not None and not done.done():
            done.set_result(reply)

    def connection_lost(self, error):
        self.is_over = True
        self.finish(None)


class Pool:
    """Connections to one port, as many as there are requests at a time."""

    def __init__(self, port, most=OPEN_MAX):
        self.port = port
        self.idle = []
        self.most = most
        self.open = 0
        #: Why requests got no reply.
        self.lost = collections.Counter()

    async def ask(self, data):
        """The reply; None where the connection ended without a whole one."""
        while self.idle:
            connection = self.idle.pop()
            if not connection.is_over and time.monotonic() - connection.ended < IDLE_S:
                break
            connection.transport.close()
            self.open -= 1
        else:
            if self.open >= self.most:
                self.lost["too many connections"] += 1
                return None
            self.open += 1
            try:
                _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self.port)
            except OSError as error:
                self.open -= 1
                self.lost[str(error)] += 1
                return None
        is_reused = connection.began > 0
        reply = await connection.ask(data)
        if reply is None:
            self.lost["a kept connection was closed" if is_reused else "a new connection was closed"] += 1
        if connection.is_over:
            self.open -= 1
        else:
            self.idle.append(connection)
        return reply

    def close(self):
        for connection in self.idle:
            connection.transport.close()


async def open_loop(port, rate, seconds, make, heard):
    """Sends `rate` requests a second for `seconds`, whatever becomes of them.

    `make(number)` gives a request's bytes, `heard(number, at, reply)` is told its reply; `at` is the
    second at which it was sent. Gives the time it took, and why requests got no reply.
    """
    pool = Pool(port)
    began = time.monotonic()
    running = set()

    async def one(number, at):
        heard(number, at, await pool.ask(make(number)))

    total = int(rate * seconds)
    number = 0
    while number < total:
        due = min(total, int((time.monotonic() - began) * rate) + 1)
        while number < due:
            task = asyncio.create_task(one(number, number / rate))
            running.add(task)
            task.add_done_callback(running.discard)
            number += 1
        await asyncio.sleep(0.004)
    while running:
        await asyncio.wait(running)
    pool.close()
    return time.monotonic() - began, dict(pool.lost)
