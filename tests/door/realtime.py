"""WebSockets pass through: 101 first, counted, and honestly ended."""

import json
import os
import queue
import signal
import socket
import ssl
import threading
import time

import bad_input
import canaries
import leaving
import sdks
from claims import claim, hold, same
from programs import ask, upstream, wait_for
from sockets import BINARY, CLOSE, TEXT, Caller, Upstream, frame, say_yes

#: From the caller's close to the upstream's notice.
NOTICED_S = 0.1


def rows(door, gateway):
    code, out, err = door.run("failures", "--json", "--data-dir", gateway.data)
    same(code, 0, f"exit code of `seawall failures` ({err[-300:]})")
    return [json.loads(line) for line in out.splitlines()]


def ended(gateway, ending, count):
    """Waits until so many WebSockets have ended this way, and none is open."""
    wait_for(
        f"{count} WebSockets {ending}",
        5,
        lambda: gateway.total("seawall_upgrades_total", ending=ending) == count and gateway.total("seawall_upgrades_open") == 0,
    )


@claim
def a_websocket_passes_both_ways_and_is_counted(door):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos))
    for path in ("/v1/realtime?model=gpt-realtime", "/realtime?model=gpt-realtime", "/v1/responses"):
        caller = Caller(gateway.port, path, [("Sec-WebSocket-Protocol", "realtime, x")])
        headers = caller.greeted() if "realtime" in path else caller.joined()
        same(headers.get("sec-websocket-protocol"), "realtime", "subprotocol")
        same((headers.get("x-seawall-outcome"), headers.get("x-seawall-attempts")), ("passed", "1"), "outcome")
        hold(headers["x-request-id"].startswith("req_"), f"x-request-id: {headers['x-request-id']}")
        same(gateway.total("seawall_upgrades_open"), 1, "open")
        for size in (0, 1, 125, 126, 16 * 1024, 65535, 65536, 1_000_000):
            caller.echo(os.urandom(size), BINARY)
        for number in range(200):
            caller.echo(b"message %d" % number)
        caller.send(frame(CLOSE, b"\x03\xe8"))
        same(caller.frame(), (CLOSE, b"\x03\xe8"), "the upstream's goodbye")
        same(caller.frame(), None, "after it")
        caller.close()
    ended(gateway, "closed", 3)
    wait_for("both models", 5, lambda: gateway.total("seawall_requests_total", endpoint="realtime", model="gpt-realtime", outcome="passed") == 2)
    same(gateway.total("seawall_requests_total", endpoint="responses", outcome="passed"), 1, "requests")
    same(gateway.total("seawall_attempts_total", upstream="chaos"), 3, "attempts")
    same(rows(door, gateway), [], "rows")


@claim
def bytes_pass_however_they_are_cut(door):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos))
    caller = Caller(gateway.port)
    caller.greeted()
    words = b"".join(frame(TEXT, b"word %d" % number) for number in range(40))
    for at in range(0, len(words), 7):
        caller.send(words[at : at + 7])
        time.sleep(0.001)
    for number in range(40):
        same(caller.frame(), (TEXT, b"word %d" % number), "echo")
    caller.close()


@claim
def a_websocket_passes_through_tls_to_its_upstream(door):
    """Nothing stays behind in a buffer of TLS: neither a word, nor a goodbye."""
    key, cert = bad_input.certificate(door.folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    heard = queue.Queue()

    def serve(end):
        _, headers = end.head()
        say_yes(end, headers)
        while (found := end.frame()) is not None:
            heard.put(found)
            if found[1] == b"break off":
                return
            end.send(frame(*found, masked=False))

    server = Upstream(serve, context)
    gateway = door.gateway("[server]\n" + upstream(server, f'ca_file = "{cert}"'))
    caller = Caller(gateway.port)
    caller.joined()
    for size in (1, 1_000, 100_000):
        caller.echo(os.urandom(size), BINARY)
        heard.get(timeout=5)
    caller.send(frame(TEXT, b"last words") + frame(CLOSE, b"\x03\xe8"))
    caller.close()
    same([heard.get(timeout=5) for _ in range(2)], [(TEXT, b"last words"), (CLOSE, b"\x03\xe8")], "what the upstream heard")
    caller = Caller(gateway.port)
    caller.joined()
    caller.send(frame(TEXT, b"break off"))
    same(caller.closed()[0], 1011, "code")
    server.end()


@claim
def a_thousand_idle_websockets_cost_less_than_64_kib_each(door):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos))
    before, callers = rss(gateway), []
    for _ in range(1000):
        caller = Caller(gateway.port)
        caller.greeted()
        caller.echo(b"x" * 20_000, BINARY)
        callers.append(caller)
    same(gateway.total("seawall_upgrades_open"), 1000, "open")
    each = (rss(gateway) - before) / 1000
    hold(each < 64, f"{each:.0f} KiB each")
    for caller in callers:
        caller.echo(b"still here")
        caller.close()
    ended(gateway, "caller_left", 1000)
    print(f"      1000 WebSockets, {each:.0f} KiB each", flush=True)


@claim
def not_a_byte_of_the_caller_passes_before_the_upstreams_101(door):
    """What a caller says too early is held, and arrives when there is somebody to hear it."""
    found = queue.Queue()
    goes_on = threading.Event()

    def serve(end):
        _, headers = end.head()
        end.one.settimeout(0.5)
        try:
            end.more()
        except TimeoutError:
            pass
        found.put(("before", end.input))
        end.one.settimeout(10)
        goes_on.wait(10)
        say_yes(end, headers)
        found.put(("after", [end.frame() for _ in range(3)]))

    server = Upstream(serve)
    gateway = door.gateway("[server]\n" + upstream(server))
    early = frame(TEXT, b"too early") + frame(BINARY, b"x" * 5000)
    caller = Caller(gateway.port, early=early)
    same(found.get(timeout=10), ("before", b""), "bytes at the upstream before its 101")
    caller.one.settimeout(0.3)
    try:
        caller.more()
    except TimeoutError:
        pass
    same(caller.input, b"", "bytes at the caller before the upstream's 101")
    caller.one.settimeout(10)
    goes_on.set()
    caller.joined()
    caller.send(frame(TEXT, b"in time"))
    what, frames = found.get(timeout=10)
    same(frames, [(TEXT, b"too early"), (BINARY, b"x" * 5000), (TEXT, b"in time")], what)
    caller.close()
    server.end()


@claim
def a_handshake_that_fails_is_made_again_before_the_caller_has_its_101(door):
    chaos = door.chaos()
    config = '[server]\n[retry]\ncap = "5ms"\n[budget]\nstart = 1000\n'
    gateway = door.gateway(config + upstream(chaos))
    for number, fault in enumerate(("503*1", "500*2", "html-502*1", "reset*1", "garbage*1")):
        caller = Caller(gateway.port, f"/v1/realtime?model=m{number}", [("x-chaos", fault), ("x-chaos-key", fault)])
        headers = caller.greeted()
        same(headers["x-seawall-outcome"], "retried", f"outcome after {fault}")
        caller.echo(b"and it works")
        caller.send(frame(CLOSE, b"\x03\xe8"))
        caller.closed()
    # Nobody waits for the rows of a failure that was mended.
    wait_for("six rows", 5, lambda: len(rows(door, gateway)) == 6)
    found = rows(door, gateway)
    same({row["endpoint"] for row in found}, {"realtime"}, "endpoint")
    hold(all(row["model"].startswith("m") for row in found), "each has its model")
    ended(gateway, "closed", 5)


@claim
def a_handshake_goes_to_another_upstream_where_one_refuses(door):
    closed = canaries.closed_port()
    chaos = door.chaos()
    dead = upstream(f"http://127.0.0.1:{closed.getsockname()[1]}/v1", "priority = 1", key="sk-dead", name="dead")
    gateway = door.gateway("[server]\n" + dead + upstream(chaos, 'priority = 2\nmodel_map = { "gpt-realtime" = "my gpt" }', key="sk-alive", name="alive"))
    caller = Caller(gateway.port)
    caller.joined()
    opcode, hello = caller.frame()
    same((opcode, json.loads(hello)["session"]["model"]), (TEXT, "my%20gpt"), "the model's name there")
    caller.close()
    ended(gateway, "caller_left", 1)
    same(gateway.total("seawall_upgrades_total", upstream="alive"), 1, "counted")
    same(gateway.total("seawall_attempts_total", upstream="dead"), 1, "attempts at the dead one")


@claim
def the_query_s_model_decides_where_a_websocket_goes(door):
    first, second = door.chaos(name="first"), door.chaos(name="second")
    config = upstream(first, 'models = ["a-*"]', key="sk-first", name="first") + upstream(second, 'models = ["b-*"]', key="sk-second", name="second")
    gateway = door.gateway("[server]\n" + config)
    for model, name in (("a-1", "first"), ("b-1", "second")):
        caller = Caller(gateway.port, f"/v1/realtime?x=1&model={model}")
        same(caller.greeted()["x-seawall-upstream"], name, model)
        caller.close()


@claim
def a_handshake_that_is_refused_for_good_is_an_answer_like_any(door):
    chaos = door.chaos()
    gateway = door.gateway('[server]\n[retry]\ncap = "5ms"\n' + upstream(chaos))
    for fault, status, attempts in (("401", 401, 1), ("404", 404, 1), ("text-503", 503, 4), ("empty-500", 500, 4)):
        caller = Caller(gateway.port, headers=[("x-chaos", fault)])
        found, headers = caller.answer()
        same((found, headers["x-seawall-attempts"], headers["x-should-retry"]), (status, str(attempts), "false"), fault)
        hold("message" in json.loads(caller.body(headers))["error"], f"an error object after {fault}")
        same((headers.get("connection"), "upgrade" in headers), ("close", False), fault)
        same(caller.frame(), None, "the connection is over")
    same(gateway.total("seawall_upgrades_total"), 0, "upgrades")
    same(len(rows(door, gateway)), 10, "rows")


@claim
def what_asks_for_another_upgrade_is_a_plain_request(door):
    asked = queue.Queue()

    def serve(end):
        while True:
            first, headers = end.head()
            end.exactly(int(headers.get("content-length", 0)))
            asked.put((first, headers))
            end.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")

    server = Upstream(serve)
    gateway = door.gateway("[server]\n" + upstream(server))
    key = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    for path, headers in (
        ("/v1/models", {"connection": "Upgrade", "upgrade": "websocket", **key}),
        ("/v1/responses/resp_1", {"connection": "Upgrade", "upgrade": "websocket", **key}),
        ("/v1/realtime", {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABkAAQAAP__"}),
        ("/v1/realtime", {"connection": "Upgrade", "upgrade": "websocket"}),
        ("/v1/realtime", {"upgrade": "websocket", **key}),
        ("/v1/realtime", {"connection": "Upgrade", "upgrade": "websocket, h2c", **key}),
    ):
        status, found, _ = ask(gateway.port, "GET", path, headers=headers)
        same((status, "upgrade" in found), (200, False), f"{path} {headers}")
        first, sent = asked.get(timeout=5)
        same(first, f"GET {path} HTTP/1.1", "asked")
        same([name for name in ("upgrade", "connection", "http2-settings") if name in sent], [], f"passed on for {path}")
    with_body = {"connection": "Upgrade", "upgrade": "websocket", **key}
    status, _, _ = ask(gateway.port, "GET", "/v1/realtime", body=b"GET /v1/files HTTP/1.1\r\n\r\n", headers=with_body)
    first, sent = asked.get(timeout=5)
    same((status, "upgrade" in sent, sent.get("content-length")), (200, False, "26"), "with a body")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as one:
        one.sendall(b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        hold(one.recv(1000).startswith(b"HTTP/1.1 400"), "CONNECT is refused")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as one:
        one.sendall(b"GET /v1/realtime HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        hold(one.recv(1000).startswith(b"HTTP/1.0 200"), "HTTP/1.0 cannot ask")
        same("upgrade" in asked.get(timeout=5)[1], False, "passed on for HTTP/1.0")
    hold(asked.empty(), "nothing else was asked")
    server.end()


@claim
def a_101_that_nobody_asked_for_is_a_failed_attempt(door):
    def serve(end):
        end.head()
        end.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        end.rest()

    server = Upstream(serve)
    gateway = door.gateway('[server]\n[retry]\ncap = "5ms"\n' + upstream(server))
    for method, path, body in (("GET", "/v1/models", None), ("POST", "/v1/chat/completions", '{"model":"m","messages":[]}'), ("GET", "/v1/realtime", None)):
        status, headers, text = ask(gateway.port, method, path, body=body)
        same((status, "upgrade" in headers, b"evil" in text), (502, False, False), path)
        same(json.loads(text)["error"]["code"], "seawall_upstream_protocol", path)
    hold(all(row["class"] == "ambiguous" for row in rows(door, gateway)), "class")
    same(gateway.total("seawall_upgrades_total"), 0, "upgrades")
    server.end()


@claim
def a_101_to_something_else_is_a_failed_attempt(door):
    def serve(end):
        end.head()
        end.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        end.rest()

    server = Upstream(serve)
    gateway = door.gateway('[server]\n[retry]\ncap = "5ms"\n' + upstream(server))
    status, headers = Caller(gateway.port).answer()
    same((status, headers["x-seawall-attempts"]), (502, "2"), "answer")
    server.end()


@claim
def an_upstream_that_breaks_off_is_told_to_the_caller_and_on_record(door):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos))
    for fault, noted in (("body_reset=1", "body_reset"), ("truncated=1", "truncated")):
        caller = Caller(gateway.port, headers=[("x-chaos", fault)])
        headers = caller.greeted()
        caller.echo(b"one")
        code, reason = caller.closed()
        same(code, 1011, fault)
        hold(headers["x-seawall-request-id"] in reason and "not yet" not in reason, f"reason: {reason}")
        (row,) = [row for row in rows(door, gateway) if row["request_id"] == headers["x-seawall-request-id"]]
        same((row["class"], row["fault"], row["status"], row["endpoint"]), ("mid_stream", noted, 101, "realtime"), fault)
        same(row["upstream_request_id"], headers["x-request-id"], "the upstream's id")
    caller = Caller(gateway.port, headers=[("x-chaos", "stream_cut=1")])
    caller.greeted()
    caller.echo(b"one")
    half = caller.rest()
    hold(0 < len(half) < 32, f"half a frame and nothing of ours behind it: {half!r}")
    ended(gateway, "upstream_broke", 3)
    same(gateway.total("seawall_requests_total", endpoint="realtime", outcome="interrupted"), 3, "outcome")
    same(chaos.stats()["attempts"], 3, "attempts: nothing is asked again")


@claim
def a_killed_upstream_closes_every_websocket_with_1011_and_a_row_that_outlives_the_gateway(door):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos))
    callers = [Caller(gateway.port) for _ in range(50)]
    ids = {caller.greeted()["x-seawall-request-id"] for caller in callers}
    for caller in callers:
        caller.echo(b"hello")
    chaos.kill()
    codes = [caller.closed()[0] for caller in callers]
    # All of them have been told: none may be missing now.
    gateway.kill()
    same(codes, [1011] * 50, "codes")
    same({row["request_id"] for row in rows(door, gateway)}, ids, "on record")


def gone(door, make, leave, prepare=lambda chaos, caller: None):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos))
    clock = leaving.Clock(chaos)
    worst = 0.0
    for number in range(10):
        caller = make(gateway)
        caller.greeted()
        prepare(chaos, caller)
        left = time.monotonic()
        leave(caller)
        wait_for("the upstream notices", 5, lambda number=number: chaos.stats()["cancelled"] == number + 1)
        noticed = clock.zero + chaos.stats()["cancels_ms"][-1] / 1000
        worst = max(worst, noticed - left)
        hold(noticed - left <= NOTICED_S, f"round {number}: noticed after {(noticed - left) * 1000:.0f} ms")
    ended(gateway, "caller_left", 10)
    same(rows(door, gateway), [], "rows")
    print(f"      10 times, noticed after at most {worst * 1000:.0f} ms", flush=True)


@claim
def a_caller_who_closes_frees_the_upstream_within_100_ms(door):
    gone(door, lambda gateway: Caller(gateway.port), Caller.close)


@claim
def a_caller_who_resets_frees_the_upstream_within_100_ms(door):
    gone(door, lambda gateway: Caller(gateway.port), Caller.reset)


@claim
def a_caller_who_resets_while_the_upstream_takes_nothing_is_noticed_within_100_ms(door):
    """Bytes of the caller lie unread everywhere, so its end cannot be read. (A FIN would lie behind them.)"""
    full = threading.Event()

    def serve(end):
        _, headers = end.head()
        say_yes(end, headers)
        full.wait(30)

    server = Upstream(serve)
    gateway = door.gateway("[server]\n" + upstream(server))
    caller = Caller(gateway.port)
    caller.joined()
    caller.one.settimeout(0.5)
    try:
        for _ in range(1000):
            caller.send(frame(BINARY, b"x" * 65536))
        raise AssertionError("the upstream takes everything")
    except TimeoutError:
        pass
    left = time.monotonic()
    caller.reset()
    wait_for("the WebSocket ends", 5, lambda: gateway.total("seawall_upgrades_open") == 0)
    took = time.monotonic() - left
    hold(took <= NOTICED_S + 0.05, f"ended after {took * 1000:.0f} ms")
    ended(gateway, "caller_left", 1)
    full.set()
    server.end()


@claim
def a_slow_reader_slows_the_upstream(door):
    """What a caller does not take stays where it is: the upstream is not read, and memory not filled."""
    sent = [0]
    over = threading.Event()

    def serve(end):
        _, headers = end.head()
        say_yes(end, headers)
        piece = frame(BINARY, b"x" * 65000, masked=False)
        end.one.settimeout(1)
        try:
            for _ in range(4000):
                end.send(piece)
                sent[0] += len(piece)
        except TimeoutError:
            pass
        over.wait(20)

    server = Upstream(serve)
    gateway = door.gateway("[server]\n" + upstream(server))
    caller = Caller(gateway.port, small_buffer=True)
    caller.joined()
    before = rss(gateway)
    wait_for("the upstream has to wait", 10, lambda: stands_still(sent))
    grown = rss(gateway) - before
    hold(sent[0] < 32_000_000, f"the upstream sent {sent[0]} bytes")
    hold(grown < 2_000, f"the gateway grew by {grown} KiB")
    print(f"      the upstream stands at {sent[0]} bytes in the sockets' buffers, the gateway grew by {grown} KiB", flush=True)
    over.set()
    caller.close()
    server.end()


def stands_still(sent):
    before = sent[0]
    time.sleep(0.5)
    return before > 0 and sent[0] == before


def rss(program):
    with open(f"/proc/{program.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def talk(caller, stop, told):
    """Talks until it is told to stop talking: what a close frame said, between two whole frames."""
    number = 0
    while not stop.is_set():
        caller.send(frame(TEXT, b"%d" % number * 300))
        found = caller.frame()
        if found is None or found[0] == CLOSE:
            told.append(None if found is None else int.from_bytes(found[1][:2], "big"))
            return
        number += 1


@claim
def a_shutdown_says_1001_to_every_websocket_between_two_frames(door):
    chaos = door.chaos()
    gateway = door.gateway('[server]\ndrain = "6s"\n' + upstream(chaos))
    idle = [Caller(gateway.port) for _ in range(20)]
    busy = [Caller(gateway.port) for _ in range(5)]
    for caller in idle + busy:
        caller.greeted()
    stop, told = threading.Event(), []
    talkers = [threading.Thread(target=talk, args=(caller, stop, told)) for caller in busy]
    for one in talkers:
        one.start()
    began = time.monotonic()
    gateway.signal(signal.SIGTERM)
    reasons = {caller.closed() for caller in idle}
    quiet = time.monotonic() - began
    same(reasons, {(1001, "seawall is shutting down")}, "what idle ones are told")
    for one in talkers:
        one.join(15)
    loud = time.monotonic() - began
    same(told, [1001] * 5, "what busy ones are told")
    for caller in busy:
        caller.close()
    same(gateway.exit_code(10), 0, "exit code")
    took = time.monotonic() - began
    stop.set()
    hold(quiet < 3 and 3 < loud < 6.5 and took < 7.5, f"quiet after {quiet:.1f} s, loud after {loud:.1f} s, over after {took:.1f} s")
    wait_for("the upstream is told too", 5, lambda: chaos.stats()["connections_open"] <= 1)
    same(chaos.stats()["cancelled"], 0, "conversations that ended without a word to the upstream")
    print(f"      quiet ones were told after {quiet:.1f} s, talking ones after {loud:.1f} s, all was over after {took:.1f} s", flush=True)


@claim
def a_frame_under_way_at_a_shutdown_is_not_cut_by_the_goodbye(door):
    """The second half comes while the gateway drains; the close frame waits for it."""
    half = threading.Event()

    def serve(end):
        _, headers = end.head()
        say_yes(end, headers)
        whole = frame(TEXT, b"a long word" * 100, masked=False)
        end.send(whole[:500])
        half.wait(10)
        end.send(whole[500:] + frame(TEXT, b"and another", masked=False))
        end.rest()

    server = Upstream(serve)
    gateway = door.gateway('[server]\ndrain = "6s"\n' + upstream(server))
    caller = Caller(gateway.port)
    caller.joined()
    wait_for("half of it", 5, lambda: len(caller.input) >= 500 or caller.more())
    gateway.signal(signal.SIGTERM)
    time.sleep(2.2)
    half.set()
    same(caller.frame(), (TEXT, b"a long word" * 100), "the whole word")
    same(caller.closed()[0], 1001, "code")
    same(gateway.exit_code(10), 0, "exit code")
    server.end()


@claim
def a_flood_is_ended_between_two_frames_at_a_shutdown(door):
    """An upstream that never pauses: the goodbye comes in time all the same, and cuts nothing."""

    def serve(end):
        _, headers = end.head()
        say_yes(end, headers)
        pieces = [frame(BINARY, b"x" * size, masked=False) for size in (3, 130, 70_000, 900)]
        while True:
            for piece in pieces:
                end.send(piece)

    server = Upstream(serve)
    gateway = door.gateway('[server]\ndrain = "4s"\n' + upstream(server))
    caller = Caller(gateway.port)
    caller.joined()
    caller.frame()
    began = time.monotonic()
    gateway.signal(signal.SIGTERM)
    frames = 0
    while (found := caller.frame())[0] != CLOSE:
        hold(found[0] == BINARY and set(found[1]) == {ord("x")}, f"a frame of the upstream's: {found[1][:50]!r}")
        frames += 1
    same(int.from_bytes(found[1][:2], "big"), 1001, "code")
    took = time.monotonic() - began
    same((caller.rest(), gateway.exit_code(10)), (b"", 0), "what is left, exit code")
    hold(2 < took < 4, f"told after {took:.1f} s")
    print(f"      told after {took:.1f} s and {frames} whole frames", flush=True)
    server.end()


@claim
def a_websocket_comes_in_by_the_same_door(door):
    chaos = door.chaos()
    own = upstream(chaos, key="sk-own")
    guarded = door.gateway("[server]\n" + own, name="guarded")
    for headers, status in (
        ([("Origin", "http://evil.example")], 403),
        ([("Sec-Fetch-Site", "cross-site")], 403),
        ([("Via", ", ".join(f"1.1 seawall-0000000{n}" for n in range(4)))], 508),
        ([("X-Long", "x" * 33_000)], 431),
    ):
        same(Caller(guarded.port, headers=headers).answer()[0], status, str(headers)[:80])
    token = '[[client]]\nname = "app"\ntoken = "let-me-in-if-you-please"\n'
    tokens = door.gateway("[server]\n" + own + token, name="tokens")
    page = [("Origin", "http://app.example"), ("Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.let-me-in-if-you-please")]
    for headers, status in (
        ([], 401),
        ([("Authorization", "Bearer wrong")], 401),
        ([("Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.wrong")], 401),
        ([("Authorization", "Bearer let-me-in-if-you-please")], 101),
        (page, 101),
    ):
        same(Caller(tokens.port, headers=headers).answer()[0], status, str(headers)[:80])
    few = door.gateway("[server]\nin_flight_max = 2\n" + upstream(chaos), name="few")
    open_ones = [Caller(few.port) for _ in range(2)]
    for caller in open_ones:
        caller.greeted()
    status, headers = Caller(few.port).answer()
    same((status, headers["x-should-retry"]), (503, "true"), "beyond the limit")
    for caller in open_ones:
        caller.close()


@claim
def a_callers_key_in_a_handshake_reaches_no_upstream_with_its_own_and_no_record(door):
    secret, own = canaries.SECRET, "Mb4Kw8Tn2Xr6Gv0Yc5Pz9Qh3Lf7Jd1Sa"
    seen = []

    def serve(end):
        while b"\r\n\r\n" not in end.input:
            if not end.more():
                return
        head = end.input
        seen.append(head)
        _, headers = end.head()
        if b"fail" in head:
            # Without `close`, the next handshake could be written to a connection that ends: one of the few failures of this
            # claim, whose gateway has no budget left for them.
            end.send(b"HTTP/1.1 500 Oops\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            return
        say_yes(end, headers)
        end.send(frame(TEXT, canaries.PROMPT.encode(), masked=False))
        end.frame()
        # And breaks off.

    server = Upstream(serve)
    config = '[server]\n[retry]\ncap = "5ms"\n[log]\nformat = "json"\nlevel = "trace"\n'
    gateway = door.gateway(config + upstream(server, key=f"sk-{own}"))
    places = [
        [("Sec-WebSocket-Protocol", f"realtime, openai-insecure-api-key.sk-{secret}, openai-beta.realtime-v1")],
        [("Sec-WebSocket-Protocol", "realtime"), ("Sec-WebSocket-Protocol", f"OpenAI-Insecure-Api-Key.sk-{secret}")],
        [("Sec-WebSocket-Protocol", f"openai-organization.{secret},openai-project.{secret}")],
        [("Authorization", f"Bearer sk-{secret}"), ("Cookie", f"a={secret}")],
        [("OpenAI-Organization", secret), ("OpenAI-Project", secret), ("api-key", secret), ("x-api-key", secret)],
    ]
    for path in ("/v1/realtime?model=m&key={0}", "/v1/realtime?api-key={0}&model=m", "/v1/responses?key={0}"):
        for headers in places:
            caller = Caller(gateway.port, path.format(secret), headers)
            caller.joined()
            same(caller.frame(), (TEXT, canaries.PROMPT.encode()), "what the upstream says")
            caller.send(frame(TEXT, canaries.PROMPT.encode()))
            same(caller.closed()[0], 1011, "code")
            caller = Caller(gateway.port, path.format(secret) + "&fail=1", headers)
            same(caller.answer()[0], 500, "a handshake that fails")
            caller.close()
    hold(len(seen) > 30, f"{len(seen)} handshakes")
    for head in seen:
        hold(not canaries.hits(head, canaries.needles((secret,), ())), f"a caller's key at the upstream: {head!r}")
        hold(f"Bearer sk-{own}".encode() in head, "the upstream's own key")
    hold(any(b"realtime, openai-beta.realtime-v1" in head for head in seen), "other subprotocols pass")
    canaries.look_everywhere(door, [gateway], {}, canaries.needles((secret, own)))
    server.end()


@claim
def without_a_key_of_its_own_the_upstream_gets_the_callers_handshake(door):
    seen = queue.Queue()

    def serve(end):
        _, headers = end.head()
        seen.put(headers)
        say_yes(end, headers)
        end.frame()

    server = Upstream(serve)
    gateway = door.gateway("[server]\n" + upstream(server))
    offered = "realtime, openai-insecure-api-key.sk-mine"
    caller = Caller(gateway.port, headers=[("Sec-WebSocket-Protocol", offered), ("Sec-WebSocket-Extensions", "permessage-deflate"), ("Authorization", "Bearer mine")])
    caller.joined()
    headers = seen.get(timeout=5)
    same((headers["sec-websocket-protocol"], headers["authorization"]), (offered, "Bearer mine"), "credentials")
    same((headers["sec-websocket-extensions"], headers["sec-websocket-version"]), ("permessage-deflate", "13"), "the rest")
    same((headers["connection"], headers["upgrade"], headers["sec-websocket-key"].encode()), ("Upgrade", "websocket", caller.key), "upgrade")
    caller.close()
    server.end()


@claim
def the_python_sdk_converses_through_the_gateway(door):
    chaos = door.chaos()
    gateway = door.gateway('[server]\n[retry]\ncap = "5ms"\n' + upstream(chaos))
    for is_async in (False, True):
        case = {"base_url": gateway.base_url, "api_key": "sk-x", "model": "gpt-realtime", "call": "realtime", "async": is_async}
        fine = door.sdks.call(sdks.PYTHON, {**case, "messages": 20})
        same((fine["outcome"], fine.get("events")), ("ok", 21), str(fine))
        mended = door.sdks.call(sdks.PYTHON, {**case, "headers": {"x-chaos": "503*1", "x-chaos-key": str(is_async)}, "messages": 1})
        same((mended["outcome"], mended.get("events")), ("ok", 2), str(mended))
        broken = door.sdks.call(sdks.PYTHON, {**case, "headers": {"x-chaos": "body_reset=3"}, "messages": 20})
        same((broken["outcome"], broken["events"], broken["error"]["close_code"]), ("error", 4, 1011), str(broken))
        hold("seawall show sw_" in broken["error"]["message"], broken["error"]["message"])
        refused = door.sdks.call(sdks.PYTHON, {**case, "headers": {"x-chaos": "401"}, "messages": 1})
        same((refused["outcome"], refused["error"]["status_code"]), ("error", 401), str(refused))
    ended(gateway, "closed", 4)
    same(gateway.total("seawall_upgrades_total", ending="upstream_broke"), 2, "broken off")
