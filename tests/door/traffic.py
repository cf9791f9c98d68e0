"""Requests at a steady rate, in the background."""

import concurrent.futures
import itertools
import threading
import time


class Traffic:
    """Calls `one` with a number, each its own, `rate` times a second, until the end; what came of the calls."""

    def __init__(self, one, rate, callers=64):
        self.one, self.rate, self.callers = one, rate, callers
        self.heard = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    def _run(self):
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(self.callers) as callers:
            for number in itertools.count():
                if self.is_over.wait(max(0, began + number / self.rate - time.monotonic())):
                    return
                callers.submit(self._one, number)

    def _one(self, number):
        at = time.monotonic()
        try:
            status = self.one(number)
        except OSError:
            status = None
        self.heard.append((at, status, time.monotonic() - at))

    def since(self, moment):
        return [(status, took) for at, status, took in list(self.heard) if at >= moment]
