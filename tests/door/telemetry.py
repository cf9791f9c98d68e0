"""Standard telemetry: what a collector gets of requests, and what it and the upstreams never get.

The collector is a receiver that writes down what is posted to it. Protobuf is read here by its wire format
alone, with the field numbers of OTLP: what the gateway writes is not read by what wrote it. What the official SDKs
cause is read a second time, by OpenTelemetry's own definitions (`tests/sdk/otlp/read.py`).
"""

import base64
import contextlib
import json
import struct
import subprocess
import time

import canaries
from claims import claim, hold, same
from programs import ask, clean_environment, upstream, wait_for
from receivers import Receiver
from sdks import NODE, OTLP, PYTHON

CHAT = "/v1/chat/completions"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
#: A collector's own credential.
COLLECTOR_KEY = "Rf5Vb2Nk8Wd6Tq1Mx9Zc4Jh7"
#: A batch waits a second; the rest is for a machine that is busy.
HEARD_S = 20
#: To read all of it by other definitions, once for each fault that is put into it.
READ_S = 60
#: Of two seconds that a collector has at the end, and as many for everything else.
ENDED_S = 8

CONFIG = """[server]
drain = "2s"
[retry]
cap = "50ms"
[budget]
start = 1000
"""


def config(collector, extra=""):
    return (
        CONFIG
        + f'[telemetry]\notlp_endpoint = "{collector.url}"\notlp_headers = {{ "x-collector-key" = "${{COLLECTOR_KEY}}" }}\n'
        + f'metrics_every = "1s"\nservice_name = "door"\n{extra}\n'
    )


ENVIRONMENT = {"COLLECTOR_KEY": COLLECTOR_KEY}


# Protobuf, as far as OTLP uses it.


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    """The fields of a message, in their order: number, value. Varints are integers, everything else is bytes."""
    at, found = 0, []
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            if kind == 2:
                length, at = varint(data, at)
            else:
                hold(kind in (1, 5), f"a field of kind {kind}")
                length = 8 if kind == 1 else 4
            value, at = data[at : at + length], at + length
            hold(len(value) == length, "a field is cut")
        found.append((number, value))
    return found


def all_of(data, number):
    return [value for found, value in fields(data) if found == number]


def one_of(data, number, default=b""):
    return next(iter(all_of(data, number)), default)


def fixed64(raw):
    return struct.unpack("<Q", raw)[0] if raw else 0


def double(raw):
    return struct.unpack("<d", raw)[0] if raw else 0.0


def any_value(data):
    for number, value in fields(data):
        if number == 1:
            return value.decode()
        if number == 2:
            return bool(value)
        if number == 3:
            return value
        if number == 4:
            return double(value)
        if number == 5:
            return [any_value(one) for one in all_of(value, 1)]
    return None


def attributes(data, number):
    pairs = [(one_of(pair, 1).decode(), any_value(one_of(pair, 2))) for pair in all_of(data, number)]
    hold(len({name for name, _ in pairs}) == len(pairs), f"an attribute twice: {pairs}")
    return dict(pairs)


class Span:
    def __init__(self, data, resource):
        self.trace, self.id, self.parent = (one_of(data, number).hex() for number in (1, 2, 4))
        self.state, self.name = one_of(data, 3).decode(), one_of(data, 5).decode()
        self.kind = one_of(data, 6, 0)
        self.start, self.end = fixed64(one_of(data, 7)), fixed64(one_of(data, 8))
        self.status = one_of(one_of(data, 15), 3, 0)
        self.said = attributes(data, 9)
        self.resource = resource

    def holds(self, **wanted):
        """Names with `__` for their dots."""
        for name, value in wanted.items():
            name = name.replace("__", ".")
            same(self.said.get(name), value, f"{name} of {self.name} {self.said}")


def spans(post):
    found = []
    for resource_spans in all_of(post.body, 1):
        resource = attributes(one_of(resource_spans, 1), 1)
        for scope in all_of(resource_spans, 2):
            found += [Span(data, resource) for data in all_of(scope, 2)]
    return found


def metrics(post):
    """Series by (name, sorted attributes): the value of a number, or the sum and the count of a histogram."""
    found = {}
    for resource in all_of(post.body, 1):
        for scope in all_of(resource, 2):
            for metric in all_of(scope, 2):
                name = one_of(metric, 1).decode()
                for kind, key in ((5, 7), (7, 7), (9, 9)):
                    for point in (point for data in all_of(metric, kind) for point in all_of(data, 1)):
                        series = (name, tuple(sorted(attributes(point, key).items())))
                        if kind == 9:
                            counts = one_of(point, 6)
                            counts = [fixed64(counts[at : at + 8]) for at in range(0, len(counts), 8)]
                            same(sum(counts), fixed64(one_of(point, 4)), f"the buckets of {series}")
                            same(len(counts), len(one_of(point, 7)) // 8 + 1, f"the bounds of {series}")
                            found[series] = (double(one_of(point, 5)), sum(counts))
                        else:
                            found[series] = fixed64(one_of(point, 6))
    return found


class Collector(Receiver):
    def spans(self):
        with self.lock:
            posts = [post for post in self.taken if post.path == "/v1/traces"]
        return [span for post in posts for span in spans(post)]

    def request(self, request_id):
        """The span of a request and those of its attempts, once they are there."""

        def there():
            of_it = [span for span in self.spans() if span.said.get("seawall.request_id") == request_id]
            return of_it if any("seawall.outcome" in span.said for span in of_it) else None

        of_it = wait_for(f"the spans of {request_id}", HEARD_S, there)
        (request,) = [span for span in of_it if "seawall.outcome" in span.said]
        attempts = sorted((span for span in of_it if span is not request), key=lambda span: span.said["seawall.attempt"])
        return request, attempts

    def metrics(self):
        with self.lock:
            posts = [post for post in self.taken if post.path == "/v1/metrics"]
        return metrics(posts[-1]) if posts else {}

    def raw(self):
        with self.lock:
            return [post.path.encode() + b"\n" + repr(post.headers).encode() + b"\n" + post.body for post in self.tried]


def read_officially(posts, remote):
    """What OpenTelemetry's own definitions make of it: nothing against it, and each fault put into it is noticed."""
    hold(OTLP[0].exists(), f"no {OTLP[0]}\nhint: ./test door installs it")
    given = {"posts": [{"path": post.path, "body": base64.b64encode(post.body).decode()} for post in posts], "remote": remote}
    done = subprocess.run(list(map(str, OTLP)), input=json.dumps(given), capture_output=True, text=True, timeout=READ_S, env=clean_environment(), check=False)
    hold(done.returncode == 0, f"{OTLP[1].name}: {done.stderr[-3000:]}")
    found = json.loads(done.stdout)
    hold(not found["problems"], "\n".join(found["problems"][:20]))
    same(found["unnoticed"], [], "faults that were not noticed")
    return found


def body(**more):
    return json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], **more})


@claim
def a_collector_gets_the_request_and_each_attempt_in_the_callers_trace(door):
    """Through the official SDKs, with failures before the answer, whole and as a stream."""
    chaos = door.chaos()
    with Collector() as collector:
        gateway = door.gateway(config(collector) + upstream(chaos), environment=ENVIRONMENT)
        for build in (PYTHON, NODE):
            for call, is_stream in (("chat", False), ("chat_stream", True)):
                headers = {"traceparent": PARENT, "tracestate": "vendor=1", "x-chaos": "503*2", "x-chaos-key": f"{build}-{call}", "x-seawall-tag": f"{build[:4]}-{call}"}
                case = {"base_url": gateway.base_url, "api_key": "k", "model": "gpt-4o", "call": call, "headers": headers}
                result = door.sdks.call(build, case)
                hold(result["outcome"] in ("ok", "stream_end"), f"{build} {call}: {result}")
                tag = headers["x-seawall-tag"]
                (found,) = wait_for("its span", HEARD_S, lambda tag=tag: [one for one in collector.spans() if one.said.get("seawall.tag") == tag])
                request, attempts = collector.request(found.said["seawall.request_id"])
                same((request.trace, request.parent, request.state, request.kind), (TRACE, SPAN, "vendor=1", 3), "its place")
                same((request.name, request.status), ("chat gpt-4o", 0), "its name and status")
                request.holds(
                    gen_ai__operation__name="chat",
                    gen_ai__provider__name="openai",
                    gen_ai__request__model="gpt-4o",
                    gen_ai__request__stream=True if is_stream else None,
                    http__response__status_code=200,
                    server__address="127.0.0.1",
                    server__port=chaos.port,
                    seawall__outcome="retried",
                    seawall__attempts=3,
                    error__type=None,
                )
                same(request.said.get("gen_ai.response.finish_reasons"), ["stop"], "why it finished")
                for name in ("gen_ai.response.id", "gen_ai.response.model", *(["gen_ai.response.time_to_first_chunk"] if is_stream else ["gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"])):
                    hold(name in request.said, f"no {name} in {request.said}")
                same(request.resource["service.name"], "door", "the resource")
                same(len(attempts), 3, f"attempts of {build} {call}")
                same(len({span.id for span in (request, *attempts)}), 4, "each span has an id of its own")
                for number, attempt in enumerate(attempts, 1):
                    same((attempt.trace, attempt.parent, attempt.kind), (TRACE, request.id, 3), "its place")
                    attempt.holds(
                        seawall__attempt=number,
                        http__request__method="POST",
                        http__request__resend_count=number - 1 or None,
                        http__response__status_code=503 if number < 3 else 200,
                        error__type="503" if number < 3 else None,
                        server__address="127.0.0.1",
                        server__port=chaos.port,
                        seawall__upstream="chaos",
                        seawall__class="overloaded" if number < 3 else "ok",
                    )
                    hold("seawall.upstream_request_id" in attempt.said, f"no name for the provider's support: {attempt.said}")
                    same(attempt.status, 2 if number < 3 else 0, "its status")
                    hold(request.start <= attempt.start <= attempt.end <= request.end + 2_000_000, "it lies within the request")
                hold(attempts[0].end <= attempts[1].start <= attempts[2].start, "one after the other")
        for seen in chaos.stats()["requests"]:
            hold(not {"traceparent", "tracestate", "baggage"} & set(seen["header_names"]), f"the trace went on: {seen['header_names']}")
        with collector.lock:
            for post in collector.taken:
                same((post.headers["content-type"], post.headers["x-collector-key"]), ("application/x-protobuf", COLLECTOR_KEY), "its headers")
        names = {"gen_ai.client.operation.duration", "gen_ai.client.operation.time_to_first_chunk", "gen_ai.client.token.usage", "seawall.requests", "seawall.attempts", "seawall.streams.open", "seawall.requests.in_flight"}
        wait_for("its metrics", HEARD_S, lambda: names <= {name for name, _ in collector.metrics()})
        posts = collector.posts()
        found = read_officially(posts, [[TRACE, SPAN]])
        same(set(found["metrics"]), names, "metrics")
        own = [span for post in posts if post.path == "/v1/traces" for span in spans(post)]
        same((len(own), len(found["spans"])), (16, 16), "spans")
        for ours, theirs in zip(own, found["spans"]):
            told = (theirs[name] for name in ("trace", "id", "parent", "state", "name", "kind", "status", "start", "end", "said"))
            same((ours.trace, ours.id, ours.parent, ours.state, ours.name, ours.kind, ours.status, ours.start, ours.end, ours.said), tuple(told), "a span, read twice")


@claim
def metrics_of_the_conventions_reach_a_collector(door):
    chaos = door.chaos()
    with Collector() as collector:
        gateway = door.gateway(config(collector, "traces = false") + upstream(chaos), environment=ENVIRONMENT)
        for fault, stream in (("ok", False), ("ok", True), ("500*1", False), ("400", False)):
            headers = {"content-type": "application/json", "x-chaos": fault, "x-chaos-key": f"{fault}{stream}"}
            ask(gateway.port, "POST", CHAT, body(stream=stream), headers)

        def of(found, wanted):
            return [(said, value) for (name, said), value in found.items() if name == wanted]

        def arrived():
            found = collector.metrics()
            durations = {dict(said).get("error.type"): count for said, (_, count) in of(found, "gen_ai.client.operation.duration")}
            return found if durations == {None: 3, "400": 1} else None

        found = wait_for("the durations", HEARD_S, arrived)
        common = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o", "server.address": "127.0.0.1", "server.port": chaos.port}
        same([(dict(said), count) for said, (_, count) in of(found, "gen_ai.client.operation.time_to_first_chunk")], [(common, 1)], "streams")
        tokens = {dict(said)["gen_ai.token.type"]: count for said, (_, count) in of(found, "gen_ai.client.token.usage")}
        hold(set(tokens) == {"input", "output"} and all(count >= 2 for count in tokens.values()), f"tokens: {tokens}")
        counted = {}
        for (name, said), value in found.items():
            if name in ("seawall.requests", "seawall.attempts"):
                word = "seawall.outcome" if name == "seawall.requests" else "seawall.class"
                counted[name, dict(said)[word]] = value
        same(
            counted,
            {
                ("seawall.requests", "passed"): 2,
                ("seawall.requests", "retried"): 1,
                ("seawall.requests", "not_retryable"): 1,
                ("seawall.attempts", "ok"): 3,
                ("seawall.attempts", "server_error"): 1,
                ("seawall.attempts", "caller_fault"): 1,
            },
            "what became of requests and attempts",
        )
        hold(not collector.spans(), "traces are off")


@claim
def a_trace_goes_on_to_an_upstream_only_where_that_is_configured(door):
    """Each attempt names its own span; what goes along is bounded; what is malformed goes nowhere."""
    def answer(number):
        return 500 if number % 2 == 0 else 200

    with Collector() as collector, Receiver(answer) as place:
        for mode, forwards in (("off", False), ("accept", False), ("forward", True)):
            gateway = door.gateway(config(collector, f'traceparent = "{mode}"') + upstream(place.url + "/v1"), name=f"gateway-{mode}", environment=ENVIRONMENT)
            headers = {"content-type": "application/json", "traceparent": PARENT, "tracestate": "vendor=1", "baggage": "user=me"}
            before = len(place.tried)
            # An empty 200 where JSON was promised is a failure too; the attempts are what counts.
            _, found, _ = ask(gateway.port, "POST", CHAT, body(), headers)
            (request_id,) = found["x-seawall-request-id"]
            request, attempts = collector.request(request_id)
            heard = [post.headers for post in place.tried[before:]]
            same(len(attempts), len(heard), f"attempts, {mode}")
            hold(len(heard) > 1, f"{mode}: there is one attempt only")
            own = (request_id.removeprefix("sw_"), "")
            same((request.trace, request.parent), own if mode == "off" else (TRACE, SPAN), f"the place of the request, {mode}")
            for attempt, told in zip(attempts, heard):
                said = tuple(told.get(name) for name in ("traceparent", "tracestate", "baggage"))
                wanted = (f"00-{TRACE}-{attempt.id}-01", "vendor=1", "user=me") if forwards else (None, None, None)
                same(said, wanted, f"what went on, {mode}")
            before = len(place.tried)
            broken = {**headers, "traceparent": PARENT.upper()}
            _, found, _ = ask(gateway.port, "POST", CHAT, body(), broken)
            (request_id,) = found["x-seawall-request-id"]
            request, _ = collector.request(request_id)
            same((request.trace, request.parent, request.state), (request_id.removeprefix("sw_"), "", ""), "a trace of its own")
            for post in place.tried[before:]:
                hold("tracestate" not in post.headers, "the state of a trace that is not its own")


@claim
def a_collector_that_hangs_or_is_gone_delays_nobody(door):
    """Not the requests, and the end not beyond its bound. What is lost is counted; the log has a line, and no key."""
    chaos = door.chaos()
    closed = canaries.closed_port()
    with contextlib.closing(closed), Collector(lambda number: None) as silent:
        gone = type("Gone", (), {"url": f"http://127.0.0.1:{closed.getsockname()[1]}"})
        for name, collector in (("hangs", silent), ("gone", gone)):
            gateway = door.gateway(config(collector) + upstream(chaos), name=name, environment=ENVIRONMENT)
            headers = {"content-type": "application/json", "x-chaos": "ok"}
            times = []
            for number in range(200):
                began = time.monotonic()
                status, _, _ = ask(gateway.port, "POST", CHAT, body(user=f"u{number}"), headers)
                times.append(time.monotonic() - began)
                same(status, 200, "an answer")
            hold(sorted(times)[len(times) // 2] < 0.25, f"{name}: half of the requests take {sorted(times)[100]:.3f} s")
            if name == "gone":
                wait_for("it is counted", HEARD_S, lambda gateway=gateway: gateway.total("seawall_telemetry_exports_total", signal="traces", result="failed") >= 1)
            else:
                wait_for("it is asked", HEARD_S, lambda: silent.tried)
            began = time.monotonic()
            gateway.end(seconds=30)
            hold(time.monotonic() - began < ENDED_S, f"{name}: the end took {time.monotonic() - began:.1f} s")
            same(gateway.child.returncode, 0, f"{name}: the exit code")
            said = gateway.said()
            if name == "gone":
                lines = [line for line in said.splitlines() if "telemetry cannot be delivered" in line and "traces" in line]
                same(len(lines), 1, f"lines about the collector: {lines}")
            hold(COLLECTOR_KEY not in said, "the collector's key is in the log")


@claim
def without_a_collector_nothing_is_sent_and_no_header_of_a_trace_goes_on(door):
    chaos = door.chaos()
    with Collector() as collector:
        plain = door.gateway(CONFIG + upstream(chaos), name="plain")
        disabled = door.gateway(config(collector) + upstream(chaos), name="disabled", environment={**ENVIRONMENT, "OTEL_SDK_DISABLED": "true"})
        for gateway in (plain, disabled):
            headers = {"content-type": "application/json", "x-chaos": "500*1", "x-chaos-key": gateway.name, "traceparent": PARENT, "tracestate": "a=1"}
            same(ask(gateway.port, "POST", CHAT, body(), headers)[0], 200, "an answer")
            gateway.end()
        for seen in chaos.stats()["requests"]:
            hold(not {"traceparent", "tracestate"} & set(seen["header_names"]), f"the trace went on: {seen['header_names']}")
        hold(not collector.tried, "something was sent although the environment forbids it")


@claim
def the_variables_of_opentelemetry_are_enough(door):
    """Without a word in the configuration; and what they hold of secrets is shown nowhere."""
    chaos = door.chaos()
    with Collector() as collector:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"x-collector-key={COLLECTOR_KEY}",
            "OTEL_SERVICE_NAME": "by-variable",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        gateway = door.gateway(CONFIG + upstream(chaos), environment=environment)
        _, found, _ = ask(gateway.port, "POST", CHAT, body(), {"content-type": "application/json"})
        request, _ = collector.request(found["x-seawall-request-id"][0])
        same((request.resource["service.name"], request.resource["deployment.environment.name"]), ("by-variable", "test"), "the resource")
        same(request.trace, found["x-seawall-request-id"][0].removeprefix("sw_"), "a trace that begins here has the request's id")
        same(collector.taken[0].headers["x-collector-key"], COLLECTOR_KEY, "the collector's header")
        _, shown, _ = door.run("config", "show", "--config", gateway.config, environment=environment)
        hold(COLLECTOR_KEY not in shown and "env OTEL_EXPORTER_OTLP_HEADERS" in shown, shown)


@claim
def no_key_and_no_prompt_is_in_anything_that_is_sent(door):
    """Keys in every place, prompts in every form, an upstream that echoes them; the trace goes on to it."""
    chaos = door.chaos()
    with Collector() as collector:
        gateway = door.gateway(config(collector, 'traceparent = "forward"') + '[log]\nlevel = "trace"\n' + upstream(chaos), environment=ENVIRONMENT)
        secrets = []
        for number, (place, put) in enumerate(canaries.PLACES.items()):
            secret = "".join(chr(ord("A") + (number * 5 + at * 11) % 26) + str((number + at * 7) % 10) for at in range(16))
            secrets.append(secret)
            path, headers = put(secret)
            for fault in (*canaries.FAULTS, "ok"):
                content = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": canaries.PROMPT}], "user": canaries.PROMPT})
                headers = {**headers, "content-type": "application/json", "x-chaos": fault}
                ask(gateway.port, "POST", path, content, headers)
        _, found, _ = ask(gateway.port, "POST", CHAT, body(), {"content-type": "application/json", "x-chaos": "ok"})
        collector.request(found["x-seawall-request-id"][0])
        looked_for = canaries.needles(secrets)
        raw = collector.raw()
        hold(sum(map(len, raw)) > 50_000, "there is too little to look into")
        for post in raw:
            hits = canaries.hits(post, looked_for)
            hold(not hits, f"{hits[:3]} in what was sent")
        own = canaries.needles([COLLECTOR_KEY], ())
        for name, data in canaries.sinks([gateway]):
            hold(not canaries.hits(data, own), f"the collector's key in {name}")
