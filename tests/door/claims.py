"""Claims: tests whose names say what holds.

A claim is a function of one argument, the `Door` through which it starts programs. It fails by
raising. One claim may report many cases of itself (`door.case`); each of them counts.
"""

import itertools
import threading
import time
import traceback


class Broken(Exception):
    """What a claim says does not hold."""


def hold(truth, said):
    """Fails with `said` unless it is true."""
    if not truth:
        raise Broken(said)


def same(found, expected, what):
    if found != expected:
        raise Broken(f"{what}: expected {expected!r}, got {found!r}")


class Claim:
    def __init__(self, function, alone, waits):
        self.function = function
        self.name = function.__name__
        self.module = function.__module__
        # Whether it needs the machine for itself, since it measures.
        self.alone = alone
        # Whether it does little but wait: such claims that follow each other wait at the same time.
        self.waits = waits


ALL = []


def claim(function=None, *, alone=False, waits=False):
    """Registers a claim, in the order of the files."""
    if function is None:
        return lambda function: claim(function, alone=alone, waits=waits)
    ALL.append(Claim(function, alone, waits))
    return function


class Report:
    """What came out, one line per claim or case."""

    def __init__(self, quiet=False):
        self.quiet = quiet
        self.rows = []
        self.lock = threading.Lock()

    def add(self, name, problem, seconds):
        with self.lock:
            self._add(name, problem, seconds)

    def _add(self, name, problem, seconds):
        self.rows.append((name, problem, seconds))
        if problem is None:
            if not self.quiet:
                print(f"ok    {name} ({seconds:.1f}s)", flush=True)
        else:
            print(f"FAIL  {name} ({seconds:.1f}s)\n      {indent(problem)}", flush=True)

    def failed(self):
        return sum(1 for _, problem, _ in self.rows if problem is not None)


def indent(text):
    return text.rstrip().replace("\n", "\n      ")


def run(one, door, report):
    """Runs one claim; whatever it started is ended when it returns."""
    began = time.monotonic()
    door.begin(one.name, report)
    problem = None
    try:
        one.function(door)
    except Broken as broken:
        problem = str(broken)
    except Exception:  # noqa: BLE001 - a claim that cannot be tested does not hold
        problem = traceback.format_exc()
    finally:
        tails = door.end(problem is not None)
    if problem is not None and tails:
        problem += "\n" + tails
    if problem is not None or not door.cases:
        report.add(one.name, problem, time.monotonic() - began)


def run_all(chosen, door, report):
    """Runs claims in their order, each with a `door()` of its own."""
    for waits, group in itertools.groupby(chosen, key=lambda one: one.waits):
        if not waits:
            for one in group:
                run(one, door(), report)
            continue
        threads = [threading.Thread(target=run, args=(one, door(), report), name=one.name) for one in group]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
