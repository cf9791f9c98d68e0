"""Bad input gets a clear error in the right shape, and nothing is lost or forwarded twice."""

import json
import resource
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading

import canaries
from claims import claim, hold, same
from programs import answers, ask, free_port, upstream, wait_for

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}


def chat(prompt="hello", model="gpt-4o"):
    return json.dumps({"model": model, "messages": [{"role": "user", "content": prompt}]})


def check_shape(status, headers, body, code, expected_status):
    """An answer of our own: the OpenAI shape, one request id, a word on trying again."""
    same(status, expected_status, "status")
    error = json.loads(body)["error"]
    same(error["code"], code, "code")
    hold({"message", "type", "param", "code", "request_id"} <= set(error), f"keys of the error: {sorted(error)}")
    same(headers.get("x-request-id"), [error["request_id"]], "x-request-id")
    same(len(headers["x-should-retry"]), 1, "x-should-retry headers")
    hold(len(error["message"]) > 20, f"a message that says nothing: {error['message']!r}")
    return error


def raw(port, data, seconds=5):
    """Bytes in, bytes out, until the other side closes or is silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as one:
        one.sendall(data)
        found = b""
        try:
            while more := one.recv(65536):
                found += more
        except (TimeoutError, ConnectionResetError):
            pass
        return found


def pair(door, config="[server]\n", key=None, **gateway):
    chaos = door.chaos()
    return chaos, door.gateway(config + upstream(chaos, key=key), **gateway)


# Requests.


@claim
def a_body_over_the_limit_gets_413_and_is_not_forwarded(door):
    chaos, gateway = pair(door, '[server]\nbody_bytes_max = "64 KiB"\nreplay_bytes_max = "16 KiB"\n')
    most = 64 * 1024 - len(chat(""))
    status, _, _ = ask(gateway.port, "POST", CHAT, chat("x" * most), JSON)
    same((status, chaos.stats()["attempts"]), (200, 1), "a body of exactly the limit")
    answer = ask(gateway.port, "POST", CHAT, chat("x" * (most + 1)), JSON)
    check_shape(*answer, "seawall_body_too_large", 413)
    same(chaos.stats()["attempts"], 1, "attempts")


@claim
def a_body_without_a_length_over_the_limit_gets_413_and_never_arrives_whole(door):
    chaos, gateway = pair(door, '[server]\nbody_bytes_max = "64 KiB"\nreplay_bytes_max = "16 KiB"\n')
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n"
    found = raw(gateway.port, head + chunk * 5 + b"0\r\n\r\n")
    hold(found.startswith(b"HTTP/1.1 413 "), f"answered {found[:200]!r}")
    same(json.loads(found.partition(b"\r\n\r\n")[2])["error"]["code"], "seawall_body_too_large", "code")
    same(chaos.stats()["attempts"], 0, "whole requests upstream")


@claim
def a_body_too_large_to_keep_is_sent_once_and_the_answer_says_so(door):
    chaos, gateway = pair(door, '[server]\nreplay_bytes_max = "16 KiB"\n')
    status, headers, _ = ask(gateway.port, "POST", CHAT, chat("x" * 40_000), {**JSON, "x-chaos": "500"})
    same((status, chaos.stats()["attempts"]), (500, 1), "status and attempts")
    same(headers.get("x-seawall-reason"), ["body_too_large"], "x-seawall-reason")


@claim
def headers_over_the_limits_get_431_and_an_address_414(door):
    chaos, gateway = pair(door)
    many = {f"x-h{n}": "1" for n in range(140)}
    wide = {"x-wide": "x" * 33_000}
    heavy = {f"x-heavy-{n}": "x" * 23_000 for n in range(3)}
    for name, headers in (("140 fields", many), ("one of 33,000 bytes", wide), ("69,000 bytes in all", heavy)):
        answer = ask(gateway.port, "POST", CHAT, chat(), {**JSON, **headers})
        hold(answer[0] == 431, f"{name}: answered {answer[0]}")
        check_shape(*answer, "seawall_headers_too_large", 431)
    check_shape(*ask(gateway.port, "GET", "/v1/models?" + "q" * 9_000), "seawall_uri_too_long", 414)
    same(chaos.stats()["attempts"], 0, "attempts")


@claim
def what_is_not_http_gets_a_bare_status_and_is_counted(door):
    chaos, gateway = pair(door)
    bad = [
        b"this is not HTTP\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nno colon here\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: nine\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n" + b"".join(b"x-h%d: 1\r\n" % n for n in range(300)) + b"\r\n",
    ]
    for number, data in enumerate(bad):
        found = raw(gateway.port, data)
        hold(found.startswith(b"HTTP/1.1 4") or found == b"", f"{data[:60]!r}: answered {found[:100]!r}")
        wait_for(
            f"{data[:60]!r} is counted",
            5,
            lambda number=number: gateway.total("seawall_malformed_total") == number + 1,
        )
    same(chaos.stats()["attempts"], 0, "attempts")
    same(ask(gateway.port, "POST", CHAT, chat(), JSON)[0], 200, "a good request afterwards")


@claim
def a_smuggled_second_request_never_reaches_the_upstream(door):
    chaos, gateway = pair(door)
    inner = b"GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n"
    for headers in (
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        b"transfer-encoding: chunked, identity\r\n",
        b"transfer-encoding : chunked\r\n",
    ):
        raw(gateway.port, b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n" + headers + b"\r\n0\r\n\r\n", 2)
        raw(gateway.port, b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n" + headers + b"\r\n5\r\nhello\r\n0\r\n\r\nX" + inner, 2)
    same(chaos.stats()["by_path"].get("/v1/models", 0), 0, "smuggled requests upstream")


@claim
def a_body_that_is_not_json_is_passed_on_as_it_is(door):
    chaos, gateway = pair(door)
    for body in ("{not json", '{"model":"a","model":"b"}', "", "[1,2", "\x00\x01"):
        ask(gateway.port, "POST", CHAT, body, JSON)
        seen = chaos.stats()["requests"][-1]
        same(seen["body_bytes"], len(body), f"bytes of {body!r} upstream")
        same(seen["body_fnv"], fnv(body.encode()), f"{body!r} upstream")


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return f"{value:016x}"


@claim
def a_web_page_cannot_spend_the_key(door):
    chaos, gateway = pair(door, key="sk-of-the-house")
    for name, headers in (
        ("Origin", {"origin": "https://evil.example"}),
        ("Sec-Fetch-Site", {"sec-fetch-site": "cross-site"}),
        ("Host", {"host": "evil.example"}),
        ("rebound host", {"host": "localhost.evil.example"}),
    ):
        answer = ask(gateway.port, "POST", CHAT, chat(), {**JSON, **headers})
        hold(answer[0] == 403, f"{name}: answered {answer[0]}")
        check_shape(*answer, "seawall_origin", 403)
    same(chaos.stats()["attempts"], 0, "attempts")
    same(ask(gateway.port, "POST", CHAT, chat(), JSON)[0], 200, "the same from a program")


@claim
def an_upstream_that_echoes_the_prompt_leaves_none_of_it_on_record(door):
    chaos, gateway = pair(door, '[server]\n[retry]\nmax_attempts = 1\n[log]\nlevel = "trace"\n')
    told = {}
    for fault in ("echo", "echo-400", "echo-429", "echo-503"):
        status, headers, body = ask(gateway.port, "POST", CHAT, chat(canaries.PROMPT), {**JSON, "x-chaos": fault})
        hold(status >= 400 and canaries.PROMPT.encode() in body, f"{fault} did not echo: {status} {body[:300]!r}")
        told[fault] = json.dumps(headers)
    canaries.look_everywhere(door, [gateway], told)
    code, out, _ = door.run("failures", "--json", "--data-dir", gateway.data)
    messages = [json.loads(line)["message"] for line in out.splitlines()]
    same((code, len(messages)), (0, 4), "rows")
    for message in messages:
        hold("‹input›" in message, f"the prompt was not marked: {message!r}")


@claim
def a_gateway_before_itself_answers_508(door):
    port = free_port()
    listen, admin = free_port(), free_port()
    # Through a plain pipe, so that the configuration does not show the loop.
    pipe = Pipe(port, listen)
    config = "[server]\n" + upstream(f"http://127.0.0.1:{port}/v1")
    gateway = door.gateway(config, ports=(listen, admin))
    try:
        answer = ask(listen, "POST", CHAT, chat(), JSON)
        check_shape(*answer, "seawall_loop", 508)
        hold(gateway.total("seawall_requests_total") <= 2, "it went round more than once")
    finally:
        pipe.close()


class Pipe:
    """Passes bytes from one port to another, both ways."""

    def __init__(self, port, to):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.to = to
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            other = socket.create_connection(("127.0.0.1", self.to))
            for a, b in ((one, other), (other, one)):
                threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    @staticmethod
    def _pass(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()


# Upstreams.


@claim
def an_upstream_with_a_certificate_nobody_trusts_gets_502_and_no_request(door):
    key, cert = certificate(door.folder)
    server = Tls(key, cert)
    try:
        config = '[server]\n[retry]\nmax_attempts = 2\ncap = "5ms"\n'
        trusting = upstream(server.url, f'ca_file = "{cert}"')
        gateway = door.gateway(config + upstream(server.url))
        answer = ask(gateway.port, "POST", CHAT, chat(), JSON)
        check_shape(*answer, "seawall_tls", 502)
        same(server.requests, 0, "requests that arrived")
        good = door.gateway(config + trusting, name="gateway-trusting")
        same(ask(good.port, "POST", CHAT, chat(), JSON)[0], 200, "the same with `ca_file`")
    finally:
        server.close()


def certificate(folder):
    """A key and a certificate for 127.0.0.1 that nobody trusts unless told to."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    return key, cert


class Tls:
    """A server behind TLS that has one good answer."""

    def __init__(self, key, cert):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.requests = 0
        self.context = context
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        body = b'{"id":"c","object":"chat.completion","choices":[]}'
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(plain, server_side=True) as one:
                    one.settimeout(5)
                    if b"\r\n\r\n" in one.recv(65536):
                        self.requests += 1
                        one.sendall(head + body)
            except OSError:
                plain.close()

    def close(self):
        self.listener.close()


@claim
def https_to_a_plain_port_gets_502_and_says_so(door):
    server = Plain()
    config = '[server]\n[retry]\nmax_attempts = 2\ncap = "5ms"\n' + upstream(server.url)
    gateway = door.gateway(config)
    check_shape(*ask(gateway.port, "POST", CHAT, chat(), JSON), "seawall_tls", 502)
    server.close()


class Plain:
    """A server that speaks HTTP where TLS was expected, and says so."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            with one:
                one.recv(65536)
                one.sendall(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")

    def close(self):
        self.listener.close()


# Configuration.


def refused_config(door, text, *said, environment=None):
    """`config check` and `serve` both refuse it with 3, and say these words."""
    file = door.folder / "seawall.toml"
    file.write_text(text)
    for verb in (("config", "check"), ("serve",)):
        code, out, err = door.run(*verb, "--config", file, environment=environment)
        same(code, 3, f"exit code of {' '.join(verb)} ({err[-300:]})")
        for word in said:
            hold(word in out + err, f"{' '.join(verb)} does not say {word!r}:\n{out}{err}")


@claim
def an_unknown_key_is_refused_with_its_place_and_a_guess(door):
    text = '[server]\nlisten = "127.0.0.1:0"\n\n[retry]\nmax_atempts = 3\n'
    refused_config(door, text, "max_atempts", "max_attempts", "seawall.toml:5", "did you mean")


@claim
def a_missing_variable_is_refused_by_name(door):
    text = '[[upstream]]\nname = "a"\nbase_url = "http://127.0.0.1:1/v1"\napi_key = "${DOOR_TEST_NO_SUCH_KEY}"\n'
    refused_config(door, text, "DOOR_TEST_NO_SUCH_KEY", "seawall.toml:4")


@claim
def a_keyless_second_upstream_on_another_host_is_refused(door):
    text = upstream("http://127.0.0.1:1/v1", name="one") + upstream("http://127.0.0.2:1/v1", name="two")
    refused_config(door, text, "one", "two", "api_key")


@claim
def an_upstream_that_is_the_gateway_itself_is_refused(door):
    text = '[server]\nlisten = "127.0.0.1:7500"\n' + upstream("http://localhost:7500/v1")
    refused_config(door, text, "gateway itself")


@claim
def a_port_beyond_loopback_without_tokens_is_refused(door):
    refused_config(door, '[server]\nlisten = "0.0.0.0:7500"\n' + upstream("http://127.0.0.1:1/v1"), "[[client]]", "behind_auth")


# Starting.


@claim
def a_port_in_use_ends_the_start_with_4_and_names_it(door):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = door.run(
            "serve", "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{free_port()}",
            "--upstream", "http://127.0.0.1:1/v1", "--data-dir", door.folder / "data",
        )  # fmt: skip
        same(code, 4, "exit code")
        hold(f"127.0.0.1:{port}" in err and "hint:" in err, f"said: {err}")


@claim
def a_second_gateway_on_the_same_data_ends_with_4_and_names_the_first(door):
    _, gateway = pair(door)
    code, _, err = door.run(
        "serve", "--listen", f"127.0.0.1:{free_port()}", "--admin", f"127.0.0.1:{free_port()}",
        "--upstream", "http://127.0.0.1:1/v1", "--data-dir", gateway.data,
    )  # fmt: skip
    same(code, 4, "exit code")
    hold(str(gateway.pid) in err, f"the first one's process id is not said: {err}")


@claim
def a_data_directory_that_cannot_be_used_is_said_and_traffic_goes_on(door):
    (door.folder / "file").write_text("in the way\n")
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos), data=door.folder / "file" / "data")
    same(ask(gateway.port, "POST", CHAT, chat(), JSON)[0], 200, "a good request")
    status, headers, _ = ask(gateway.port, "POST", CHAT, chat(), {**JSON, "x-chaos": "400"})
    same((status, headers.get("x-seawall-record")), (400, ["late"]), "a failure and the word on its record")
    hold("memory" in gateway.said(), f"it is not said: {gateway.said()[-600:]}")


@claim
def a_full_disk_is_said_and_traffic_goes_on(door):
    """No file may grow beyond 256 KiB: to the program, the disk is full."""
    chaos = door.chaos()

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, 256 * 1024))

    config = '[server]\n[retry]\nmax_attempts = 1\n' + upstream(chaos)
    gateway = door.gateway(config, before=limited)
    asked = 0
    while gateway.total("seawall_journal_late_total") == 0 and asked < 4000:
        for _ in range(50):
            status, headers, _ = ask(gateway.port, "POST", CHAT, chat(), {**JSON, "x-chaos": "400"})
            same(status, 400, "status")
            asked += 1
    hold(asked < 4000, "the disk was never full")
    status, headers, _ = ask(gateway.port, "POST", CHAT, chat(), {**JSON, "x-chaos": "400"})
    same((status, headers.get("x-seawall-record")), (400, ["late"]), "a failure on a full disk")
    same(ask(gateway.port, "POST", CHAT, chat(), JSON)[0], 200, "a good request on a full disk")
    hold("journal" in gateway.err.read_text(), "nothing is said of it")


@claim
def a_corrupt_journal_is_moved_aside_said_and_begun_anew(door):
    chaos = door.chaos()
    data = door.folder / "data"
    data.mkdir()
    (data / "journal.db").write_bytes(b"this was a journal once" * 400)
    gateway = door.gateway("[server]\n[retry]\nmax_attempts = 1\n" + upstream(chaos), data=data)
    status, headers, _ = ask(gateway.port, "POST", CHAT, chat(), {**JSON, "x-chaos": "500"})
    same((status, headers.get("x-seawall-record")), (500, None), "a failure")
    aside = list(data.glob("journal.db.corrupt-*"))
    same(len(aside), 1, "files moved aside")
    same(aside[0].read_bytes(), b"this was a journal once" * 400, "what was moved aside")
    hold("moved aside" in gateway.said() and aside[0].name in gateway.said(), f"it is not said: {gateway.said()[-600:]}")
    with sqlite3.connect(f"file:{data / 'journal.db'}?mode=ro", uri=True) as journal:
        same(journal.execute("SELECT count(*) FROM attempts").fetchone()[0], 1, "rows in the new journal")


@claim
def an_upstream_that_refuses_connections_does_not_keep_the_gateway_from_starting(door):
    closed = canaries.closed_port()
    gateway = door.gateway('[server]\n[retry]\ncap = "5ms"\n' + upstream(f"http://127.0.0.1:{closed.getsockname()[1]}/v1"))
    hold(answers(gateway.admin, "/readyz"), "not ready")
    check_shape(*ask(gateway.port, "POST", CHAT, chat(), JSON), "seawall_connect", 502)
    closed.close()
