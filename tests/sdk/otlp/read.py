"""Reads what a collector got by OpenTelemetry's own definitions, and says what is not as they and the conventions want it.

In, on stdin: {"posts": [{"path", "body" in base64}], "remote": [[trace, span], …]}, the callers' spans as hex.
Out, on stdout: {"problems": [text], "spans": [{trace, id, parent, name, kind, status, start, end, said}], "metrics": {name: points},
"unnoticed": [fault]}. The last are the faults that were put into what came, one at a time, and were not found: of a check
that finds nothing it is known that it would.
"""

import base64
import copy
import json
import sys

from google.protobuf import message, unknown_fields
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

KINDS = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}
#: Two clocks: that of the day, and that of durations.
CLOCKS_NS = 2_000_000

STRING, INT, DOUBLE, BOOL, STRINGS = "string_value", "int_value", "double_value", "bool_value", "strings"
#: Attributes by the conventions (general, HTTP, generative AI), and the type of each.
OF_SERVER = {"server.address": STRING, "server.port": INT}
OF_HTTP = {**OF_SERVER, "http.request.method": STRING, "http.response.status_code": INT, "http.request.resend_count": INT, "error.type": STRING}
OF_GEN_AI = {
    "gen_ai.operation.name": STRING,
    "gen_ai.provider.name": STRING,
    "gen_ai.request.model": STRING,
    "gen_ai.request.stream": BOOL,
    "gen_ai.request.max_tokens": INT,
    "gen_ai.request.choice.count": INT,
    "gen_ai.response.id": STRING,
    "gen_ai.response.model": STRING,
    "gen_ai.response.finish_reasons": STRINGS,
    "gen_ai.response.time_to_first_chunk": DOUBLE,
    "gen_ai.usage.input_tokens": INT,
    "gen_ai.usage.output_tokens": INT,
    "gen_ai.usage.cache_read.input_tokens": INT,
    "gen_ai.usage.reasoning.output_tokens": INT,
}
#: Seawall's own, as docs/guides/telemetry.md has them.
OWN = dict.fromkeys(("outcome", "reason", "request_id", "endpoint", "client", "tag", "diagnosis", "upstream", "class", "fault", "decision", "upstream_request_id", "client_request_id"), STRING)
OWN = {f"seawall.{name}": kind for name, kind in {**OWN, "attempts": INT, "attempt": INT, "wait": DOUBLE, "first_content": DOUBLE}.items()}
OF_SPAN = {**OF_HTTP, **OF_GEN_AI, **OWN}
OF_RESOURCE = dict.fromkeys(("service.name", "service.version", "service.instance.id", "telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version"), STRING)
#: Values that the conventions list; of providers those that they know.
WORDS = {
    "gen_ai.operation.name": {"chat", "text_completion", "embeddings", "generate_content"},
    "gen_ai.provider.name": {"openai", "azure.ai.openai", "azure.ai.inference", "anthropic", "aws.bedrock", "gcp.gemini", "gcp.vertex_ai", "gcp.gen_ai", "cohere", "deepseek", "groq", "mistral_ai", "perplexity", "x_ai", "ibm.watsonx.ai"},
    "gen_ai.token.type": {"input", "output"},
    "http.request.method": {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "_OTHER"},
}
#: What each span of a request, and each of an attempt, must have.
ON_REQUEST = {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "server.address", "server.port", "http.response.status_code", "seawall.outcome", "seawall.attempts", "seawall.request_id"}
ON_ATTEMPT = {"http.request.method", "server.address", "server.port", "seawall.attempt", "seawall.class", "seawall.upstream", "seawall.request_id"}

SECONDS = [0.01 * 2**n for n in range(14)]
TOKENS = [4.0**n for n in range(14)]
OF_OPERATION = {**OF_SERVER, "gen_ai.operation.name": STRING, "gen_ai.provider.name": STRING, "gen_ai.request.model": STRING}
MUST = {"gen_ai.operation.name", "gen_ai.provider.name"}
#: Each metric's kind, unit, attributes, those that it must have, and bounds.
METRICS = {
    "gen_ai.client.operation.duration": ("histogram", "s", {**OF_OPERATION, "error.type": STRING}, MUST, SECONDS),
    "gen_ai.client.operation.time_to_first_chunk": ("histogram", "s", {**OF_OPERATION, "error.type": STRING}, MUST, SECONDS),
    "gen_ai.client.token.usage": ("histogram", "{token}", {**OF_OPERATION, "gen_ai.token.type": STRING}, MUST | {"gen_ai.token.type"}, TOKENS),
    "seawall.requests": ("sum", "{request}", {"seawall.endpoint": STRING, "gen_ai.request.model": STRING, "seawall.outcome": STRING}, {"seawall.endpoint", "seawall.outcome"}, None),
    "seawall.attempts": ("sum", "{attempt}", {"seawall.upstream": STRING, "gen_ai.request.model": STRING, "seawall.class": STRING}, {"seawall.upstream", "seawall.class"}, None),
    "seawall.streams.open": ("gauge", "{stream}", {}, set(), None),
    "seawall.requests.in_flight": ("gauge", "{request}", {}, set(), None),
}


class Reader:
    def __init__(self, remote):
        self.remote = {tuple(one) for one in remote}
        self.problems, self.spans, self.metrics = [], [], {}

    def hold(self, truth, said):
        if not truth:
            self.problems.append(said)

    def known(self, part, place):
        """No field that the definitions do not have, and no word of an enumeration either; in it and below."""
        for one in unknown_fields.UnknownFieldSet(part):
            self.problems.append(f"{place}: an unknown field {one.field_number}")
        for field, value in part.ListFields():
            below = f"{place}.{field.name}"
            many = value if field.is_repeated else [value]
            if field.message_type is not None:
                for one in many:
                    self.known(one, below)
            elif field.enum_type is not None:
                for one in many:
                    self.hold(one in field.enum_type.values_by_number, f"{below}: {one} is no {field.enum_type.name}")

    def attributes(self, pairs, table, must, place):
        said = {}
        for pair in pairs:
            name, kind = pair.key, pair.value.WhichOneof("value")
            self.hold(name not in said, f"{place}: {name} twice")
            value = getattr(pair.value, kind) if kind else None
            if kind == "array_value":
                kinds = {one.WhichOneof("value") for one in value.values}
                kind = STRINGS if kinds == {STRING} else f"a list of {kinds}"
                value = [one.string_value for one in value.values]
            if name not in table:
                self.problems.append(f"{place}: no convention names {name}")
            self.hold(table.get(name, kind) == kind, f"{place}: {name} is a {kind}, not a {table.get(name)}")
            self.hold(name not in WORDS or value in WORDS[name], f"{place}: {name} is {value!r}")
            said[name] = value
        self.hold(must <= set(said), f"{place}: no {sorted(must - set(said))}")
        self.hold(("server.port" in said) <= ("server.address" in said), f"{place}: a port of no address")
        return said

    def resource(self, of, place):
        self.hold(of.HasField("resource"), f"{place}: no resource")
        self.attributes(of.resource.attributes, OF_RESOURCE, {"service.name", "telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version"}, place)

    def traces(self, request):
        for of in request.resource_spans:
            self.resource(of, "the resource of spans")
            for scope in of.scope_spans:
                self.hold(scope.scope.name, "spans of no scope")
                for span in scope.spans:
                    self.span(span)

    def span(self, span):
        place = f"span {span.span_id.hex()} ({span.name})"
        for raw, length, what in ((span.trace_id, 16, "trace"), (span.span_id, 8, "span")):
            self.hold(len(raw) == length and any(raw), f"{place}: a {what} id {raw.hex()}")
        self.hold(len(span.parent_span_id) in (0, 8), f"{place}: a parent {span.parent_span_id.hex()}")
        self.hold(span.name, f"{place}: no name")
        self.hold(span.kind == trace_pb2.Span.SPAN_KIND_CLIENT, f"{place}: kind {span.kind}")
        self.hold(0 < span.start_time_unix_nano <= span.end_time_unix_nano, f"{place}: from {span.start_time_unix_nano} to {span.end_time_unix_nano}")
        is_attempt = any(pair.key == "seawall.attempt" for pair in span.attributes)
        said = self.attributes(span.attributes, OF_SPAN, ON_ATTEMPT if is_attempt else ON_REQUEST, place)
        self.hold(all(not name.startswith("gen_ai.") for name in said) or not is_attempt, f"{place}: an attempt is no operation of a model")
        wanted = said.get("http.request.method") if is_attempt else f"{said.get('gen_ai.operation.name')} {said.get('gen_ai.request.model')}"
        self.hold(span.name == wanted, f"{place}: should be called {wanted}")
        is_error = span.status.code == trace_pb2.Status.STATUS_CODE_ERROR
        self.hold(span.status.code != trace_pb2.Status.STATUS_CODE_OK, f"{place}: only an application says that a span is well")
        self.hold(is_error == ("error.type" in said), f"{place}: status {span.status.code}, error.type {said.get('error.type')}")
        self.spans.append(
            {
                "trace": span.trace_id.hex(),
                "id": span.span_id.hex(),
                "parent": span.parent_span_id.hex(),
                "is_remote": bool(span.flags & trace_pb2.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK),
                "state": span.trace_state,
                "name": span.name,
                "kind": span.kind,
                "status": span.status.code,
                "start": span.start_time_unix_nano,
                "end": span.end_time_unix_nano,
                "said": said,
            }
        )
        self.hold(span.flags & trace_pb2.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK, f"{place}: does not say whether its parent is remote")

    def family(self):
        """Parents that exist, times within theirs, attempts one after the other as they are numbered."""
        by_id = {(span["trace"], span["id"]): span for span in self.spans}
        self.hold(len(by_id) == len(self.spans), "two spans with one id")
        attempts = {}
        for span in self.spans:
            place = f"span {span['id']} ({span['name']})"
            if not span["parent"]:
                continue
            key = (span["trace"], span["parent"])
            if span["is_remote"]:
                self.hold(key in self.remote, f"{place}: a remote parent {key} that nobody named")
                continue
            parent = by_id.get(key)
            if parent is None:
                self.problems.append(f"{place}: its parent {key} does not exist")
                continue
            self.hold(parent["start"] <= span["start"] + CLOCKS_NS and span["end"] <= parent["end"] + CLOCKS_NS, f"{place}: not within its parent")
            attempts.setdefault(key, []).append(span)
        for key, of_one in attempts.items():
            of_one.sort(key=lambda span: span["said"].get("seawall.attempt", 0))
            numbers = [span["said"].get("seawall.attempt") for span in of_one]
            self.hold(numbers == list(range(1, len(of_one) + 1)), f"attempts {numbers} of {key}")
            self.hold([span["said"].get("http.request.resend_count", 0) for span in of_one] == list(range(len(of_one))), f"what was sent again, of {key}")
            self.hold(all(one["start"] <= other["start"] for one, other in zip(of_one, of_one[1:])), f"attempts of {key} out of order")

    def measures(self, request):
        for of in request.resource_metrics:
            self.resource(of, "the resource of metrics")
            for scope in of.scope_metrics:
                self.hold(scope.scope.name, "metrics of no scope")
                names = [metric.name for metric in scope.metrics]
                self.hold(len(set(names)) == len(names), f"a metric twice: {names}")
                for metric in scope.metrics:
                    self.metric(metric)

    def metric(self, metric):
        place = f"metric {metric.name}"
        if metric.name not in METRICS:
            self.problems.append(f"{place} is not known")
            return
        kind, unit, table, must, bounds = METRICS[metric.name]
        if metric.WhichOneof("data") != kind:
            self.problems.append(f"{place}: a {metric.WhichOneof('data')}, not a {kind}")
            return
        self.hold(metric.unit == unit and metric.description, f"{place}: unit {metric.unit}, {metric.description!r}")
        data = getattr(metric, kind)
        if kind != "gauge":
            self.hold(data.aggregation_temporality == metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE, f"{place}: temporality {data.aggregation_temporality}")
        if kind == "sum":
            self.hold(data.is_monotonic, f"{place}: it only grows")
        self.hold(data.data_points, f"{place}: no points")
        series = set()
        for point in data.data_points:
            said = self.attributes(point.attributes, table, must, place)
            series.add(tuple(sorted(said.items())))
            begins = point.start_time_unix_nano if kind != "gauge" else 1
            self.hold(0 < begins <= point.time_unix_nano, f"{place}: from {begins} to {point.time_unix_nano}")
            if kind == "histogram":
                self.histogram(point, bounds, place)
            else:
                self.hold(point.WhichOneof("value") == "as_int" and point.as_int >= 0, f"{place}: {point.WhichOneof('value')} {point.as_int}")
        self.hold(len(series) == len(data.data_points), f"{place}: a series twice")
        self.metrics[metric.name] = len(series)

    def histogram(self, point, bounds, place):
        found, counts = list(point.explicit_bounds), list(point.bucket_counts)
        self.hold(len(counts) == len(found) + 1, f"{place}: {len(counts)} buckets for {len(found)} bounds")
        self.hold(all(low < high for low, high in zip(found, found[1:])), f"{place}: bounds out of order")
        self.hold(len(found) == len(bounds) and all(abs(one - other) <= 1e-9 * other for one, other in zip(found, bounds)), f"{place}: bounds {found}, the conventions advise {bounds}")
        self.hold(sum(counts) == point.count > 0, f"{place}: {sum(counts)} in buckets, {point.count} counted")
        self.hold(point.HasField("sum"), f"{place}: no sum")
        least = sum(count * low for count, low in zip(counts, [0.0, *found]))
        most = sum(count * high for count, high in zip(counts, [*found, float("inf")]) if count)
        self.hold(least * (1 - 1e-9) <= point.sum <= most * (1 + 1e-9), f"{place}: a sum of {point.sum}, its buckets say {least} to {most}")


def read(posts, remote):
    reader = Reader(remote)
    for path, request in posts:
        reader.known(request, path)
        if path == "/v1/traces":
            reader.traces(request)
        else:
            reader.measures(request)
    reader.family()
    return reader


def parsed(path, body):
    request = KINDS[path]()
    request.ParseFromString(body)
    return request


# Faults, each put into one part of what came.


def a_span(request):
    return request.resource_spans[0].scope_spans[0].spans[-1]


def attribute(of, name):
    return next(pair for pair in of.attributes if pair.key == name)


def a_metric(request, name):
    return next(metric for metric in request.resource_metrics[0].scope_metrics[0].metrics if metric.name == name)


def a_point(request):
    return a_metric(request, "gen_ai.client.operation.duration").histogram.data_points[0]


def change(part, name, value):
    setattr(part, name, value)


#: A field with the number 900, a varint: no message of OTLP has it.
UNKNOWN = b"\xa0\x38\x01"
FAULTS = {
    "a trace id of 15 bytes": ("/v1/traces", lambda request: change(a_span(request), "trace_id", bytes(range(15)))),
    "a span id of zeros": ("/v1/traces", lambda request: change(a_span(request), "span_id", bytes(8))),
    "a parent that is not there": ("/v1/traces", lambda request: change(a_span(request), "parent_span_id", b"nonesuch")),
    "a kind that is none": ("/v1/traces", lambda request: change(a_span(request), "kind", 17)),
    "an end before the start": ("/v1/traces", lambda request: change(a_span(request), "end_time_unix_nano", a_span(request).start_time_unix_nano - 1)),
    "an unknown field in a value": ("/v1/traces", lambda request: a_span(request).attributes[0].value.MergeFromString(UNKNOWN)),
    "an unknown field in a span": ("/v1/traces", lambda request: a_span(request).MergeFromString(UNKNOWN)),
    "an attribute that no convention has": ("/v1/traces", lambda request: change(a_span(request).attributes[0], "key", "gen_ai.system")),
    "a port as a text": ("/v1/traces", lambda request: change(attribute(a_span(request), "server.port").value, "string_value", "80")),
    "an error that is not named": ("/v1/traces", lambda request: change(a_span(request).status, "code", 2)),
    "spans without a resource": ("/v1/traces", lambda request: request.resource_spans[0].ClearField("resource")),
    "a bucket too few": ("/v1/metrics", lambda request: a_point(request).bucket_counts.pop()),
    "a bound too few": ("/v1/metrics", lambda request: a_point(request).explicit_bounds.pop()),
    "a count that is not that of the buckets": ("/v1/metrics", lambda request: change(a_point(request), "count", a_point(request).count + 1)),
    "a sum beyond the buckets": ("/v1/metrics", lambda request: change(a_point(request), "sum", 1e9)),
    "no sum": ("/v1/metrics", lambda request: a_point(request).ClearField("sum")),
    "a temporality that is none": ("/v1/metrics", lambda request: change(a_metric(request, "seawall.requests").sum, "aggregation_temporality", 9)),
    "another unit": ("/v1/metrics", lambda request: change(a_metric(request, "gen_ai.client.operation.duration"), "unit", "ms")),
    "an operation without its name": ("/v1/metrics", lambda request: a_point(request).attributes.remove(attribute(a_point(request), "gen_ai.operation.name"))),
}


def unnoticed(posts, remote):
    found = []
    for fault, (path, put) in FAULTS.items():
        broken = [(one, copy.deepcopy(request)) for one, request in posts]
        # The last one: metrics are all there by then.
        put([request for one, request in broken if one == path][-1])
        if not read(broken, remote).problems:
            found.append(fault)
    return found


def main():
    given = json.load(sys.stdin)
    posts = []
    for post in given["posts"]:
        try:
            posts.append((post["path"], parsed(post["path"], base64.b64decode(post["body"]))))
        except message.DecodeError as why:
            json.dump({"problems": [f"{post['path']}: {why}"]}, sys.stdout)
            return
    reader = read(posts, given["remote"])
    faults = [] if reader.problems else unnoticed(posts, given["remote"])
    json.dump({"problems": reader.problems, "spans": reader.spans, "metrics": reader.metrics, "unnoticed": faults}, sys.stdout)


if __name__ == "__main__":
    main()
