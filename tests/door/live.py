"""Listens to `/api/v1/live` of a gateway's admin side."""

import contextlib
import http.client
import json
import threading

from claims import hold
from programs import wait_for

#: For anything that is only waited for.
HEARD_S = 20


class Live:
    """Reads `/api/v1/live` in the background; the events heard, each a name and what it says."""

    def __init__(self, port, headers=None):
        self.heard = []
        self.wrong = []
        self.is_over = threading.Event()
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HEARD_S)
        self.connection.request("GET", "/api/v1/live", headers=headers or {})
        self.reply = self.connection.getresponse()
        self.thread = threading.Thread(target=self._read)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError, AttributeError):
            self.connection.sock.shutdown(2)
        self.thread.join()
        self.connection.close()
        hold(not self.wrong, f"live holds what a terminal obeys: {self.wrong[:1]!r}")

    def _read(self):
        name = None
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            while line := self.reply.readline():
                text = line.decode().rstrip("\n")
                if text.startswith("event: "):
                    name = text[7:]
                elif text.startswith("data: "):
                    self.wrong += [] if text.isprintable() else [text]
                    self.heard.append((name, json.loads(text[6:])))
        self.is_over.set()

    def first(self, name, fits=lambda data: True):
        def found():
            return next((data for kind, data in list(self.heard) if kind == name and fits(data)), None)

        return wait_for(f"an event {name}", HEARD_S, found)
