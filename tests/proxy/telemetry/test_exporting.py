"""Spans leave over OTLP: a stand-in for a collector takes them over a real connection."""

import queue
import socket
import time
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import TracerProvider
from understudy.serving.failure import CannotStart

from proxy.telemetry.exporting import provider_from
from proxy.telemetry.tracing import Tracing

METHOD = "/a.B/C"


@pytest.fixture(autouse=True)
def no_otel_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "PROTOCOL", "TRACES_PROTOCOL", "INSECURE"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
    for name in (
        "OTEL_TRACES_EXPORTER",
        "OTEL_SDK_DISABLED",
        "OTEL_SERVICE_NAME",
        "OTEL_RESOURCE_ATTRIBUTES",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes traces, and keeps what came."""

    def __init__(self) -> None:
        self.received: queue.Queue[trace_service_pb2.ExportTraceServiceRequest] = queue.Queue()

    def Export(self, request, context):  # noqa: N802  # the service's own name
        del context
        self.received.put(request)
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def grpc_collector() -> Iterator[tuple[str, Collector]]:
    collector = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}", collector
    server.stop(None).wait()


@pytest.fixture
def http_collector() -> Iterator[tuple[str, Collector]]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers["content-encoding"] is None and self.path == "/v1/traces":
                collector.received.put(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", collector
    server.shutdown()
    thread.join()
    server.server_close()


def set_environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, str]:
    """For us and for the exporters, which read the process's own."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def trace_one_call(provider: TracerProvider | None) -> str:
    assert provider is not None
    tracing = Tracing(1.0, provider)
    call = tracing.begin(METHOD, [])
    assert call is not None
    call.child("mirror", {"understudy.variant": "v2"}).end("OK")
    call.end("OK")
    tracing.shutdown(10)
    return call.context.trace_id_hex


def spans_of(request: trace_service_pb2.ExportTraceServiceRequest) -> list:
    return [span for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]


def service_name(request: trace_service_pb2.ExportTraceServiceRequest) -> str:
    attributes = request.resource_spans[0].resource.attributes
    return next(one.value.string_value for one in attributes if one.key == "service.name")


def test_a_grpc_collector_gets_the_call_and_its_copy_at_the_latest_at_the_end(monkeypatch, grpc_collector):
    endpoint, collector = grpc_collector
    environment = set_environment(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    trace_id = trace_one_call(provider_from(environment))
    request = collector.received.get(timeout=10)
    assert {span.trace_id.hex() for span in spans_of(request)} == {trace_id}
    child, parent = spans_of(request)
    assert (parent.name, child.name, child.parent_span_id) == ("a.B/C", "mirror", parent.span_id)
    assert service_name(request) == "understudy-proxy"


def test_a_service_name_of_one_s_own_stands(monkeypatch, grpc_collector):
    endpoint, collector = grpc_collector
    set_environment(monkeypatch, OTEL_SERVICE_NAME="fraud-sidecar")
    environment = set_environment(monkeypatch, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=endpoint)
    trace_one_call(provider_from(environment))
    assert service_name(collector.received.get(timeout=10)) == "fraud-sidecar"


def test_an_http_collector_gets_them_where_the_protocol_says_so(monkeypatch, http_collector):
    endpoint, collector = http_collector
    environment = set_environment(
        monkeypatch,
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf",
    )
    trace_id = trace_one_call(provider_from(environment))
    assert {span.trace_id.hex() for span in spans_of(collector.received.get(timeout=10))} == {trace_id}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_TRACES_EXPORTER": ""},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4317"},
        {"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_nothing_is_exported_where_nobody_asks_for_it(environment):
    assert provider_from(environment) is None


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: must be otlp or none, got 'zipkin'"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: must be grpc or http/protobuf, got 'http/json'",
        ),
    ],
)
def test_what_cannot_be_done_is_said_at_the_start(environment, why):
    with pytest.raises(CannotStart) as caught:
        provider_from(environment)
    assert str(caught.value) == why


def test_an_empty_protocol_is_the_default_one(monkeypatch, grpc_collector):
    endpoint, collector = grpc_collector
    environment = set_environment(
        monkeypatch,
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL="",
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="",
    )
    trace_one_call(provider_from(environment))
    assert spans_of(collector.received.get(timeout=10))


def test_making_spans_waits_for_no_collector(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        environment = set_environment(
            monkeypatch,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}",
            OTEL_EXPORTER_OTLP_TIMEOUT="4",
        )
        provider = provider_from(environment)
        tracing = Tracing(1.0, provider)
        began = time.monotonic()
        for _ in range(500):
            call = tracing.begin(METHOD, [])
            assert call is not None
            call.end("OK")
        assert time.monotonic() - began < 4.0  # the exporter's own time to wait
        tracing.shutdown(10)
