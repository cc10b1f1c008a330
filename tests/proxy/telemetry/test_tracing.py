"""Spans of sampled calls, made by a real provider and read from memory."""

import threading
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, StatusCode

from proxy.policy.tracecontext import parse
from proxy.telemetry.exporting import provider_with
from proxy.telemetry.tracing import Tracing

METHOD = "/inference.GRPCInferenceService/ModelInfer"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = [("traceparent", f"00-{TRACE}-{PARENT}-01")]
UNSAMPLED = [("traceparent", f"00-{TRACE}-{PARENT}-00")]


class Spans:
    """A provider that keeps what it is given."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def finished(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()


@pytest.fixture
def spans() -> Iterator[Spans]:
    kept = Spans()
    yield kept
    kept.provider.shutdown()


def test_a_sampled_call_is_one_server_span_below_its_caller(spans):
    call = Tracing(0.0, spans.provider).begin(METHOD, SAMPLED)
    assert call is not None
    call.annotate({"understudy.variant": "v1"})
    call.end("OK")
    (span,) = spans.finished()
    assert (span.name, span.kind) == (METHOD[1:], SpanKind.SERVER)
    assert span.attributes == {
        "rpc.system": "grpc",
        "rpc.service": "inference.GRPCInferenceService",
        "rpc.method": "ModelInfer",
        "understudy.variant": "v1",
        "rpc.response.status_code": "OK",
    }
    assert span.status.status_code is StatusCode.OK
    assert span.parent is not None
    assert (span.parent.span_id, span.parent.is_remote) == (int(PARENT, 16), True)
    assert span.context.trace_id == int(TRACE, 16)


def test_the_next_hop_is_a_child_of_the_span_not_of_the_caller(spans):
    call = Tracing(0.0, spans.provider).begin(METHOD, SAMPLED)
    assert call is not None
    call.end("OK")
    (span,) = spans.finished()
    passed_on = parse(call.context.traceparent)
    assert passed_on is not None
    assert (passed_on.trace_id, passed_on.span_id) == (span.context.trace_id, span.context.span_id)
    assert passed_on.sampled


def test_a_copy_is_a_client_span_below_the_call_even_where_it_ends_after_it(spans):
    call = Tracing(1.0, spans.provider).begin(METHOD, [])
    assert call is not None
    copy = call.child("mirror", {"understudy.variant": "v2"})
    call.end("OK")
    copy.end("DEADLINE_EXCEEDED")
    parent, child = spans.finished()
    assert child.parent is not None
    assert child.parent.span_id == parent.context.span_id
    assert child.context.trace_id == parent.context.trace_id
    assert (child.name, child.kind) == ("mirror", SpanKind.CLIENT)
    assert child.attributes["understudy.variant"] == "v2"
    assert (child.status.status_code, child.status.description) == (StatusCode.ERROR, "DEADLINE_EXCEEDED")


@pytest.mark.parametrize(
    ("ratio", "metadata", "traced"),
    [
        (0.0, [], False),
        (1.0, [], True),
        (1.0, UNSAMPLED, False),
        (0.0, SAMPLED, True),
        (0.0, [("traceparent", "rubbish")], False),
        (1.0, [("traceparent", "rubbish")], True),
        (0.0, SAMPLED * 2, False),
        (0.0, [("traceparent", b"bytes")], False),
    ],
)
def test_the_caller_decides_else_the_ratio(spans, ratio, metadata, traced):
    call = Tracing(ratio, spans.provider).begin(METHOD, metadata)
    assert (call is not None) is traced


def test_the_share_of_traced_calls_is_the_ratio_s():
    tracing = Tracing(0.1, None)
    traced = sum(tracing.begin(METHOD, []) is not None for _ in range(5000))
    assert abs(traced - 500) < 3.9 * (5000 * 0.1 * 0.9) ** 0.5  # 1 in 10 000


def test_a_root_has_a_trace_of_its_own(spans):
    tracing = Tracing(1.0, spans.provider)
    for _ in range(2):
        call = tracing.begin(METHOD, [("traceparent", "rubbish")])
        assert call is not None
        call.end("OK")
    first, second = spans.finished()
    assert first.parent is None
    assert first.context.trace_id != second.context.trace_id


def test_without_an_exporter_a_call_has_ids_and_no_span():
    tracing = Tracing(0.0, None)
    call = tracing.begin(METHOD, SAMPLED)
    assert call is not None
    assert call.context.trace_id_hex == TRACE
    assert call.context.span_id != int(PARENT, 16)
    copy = call.child("mirror", {})
    assert copy.context.trace_id == call.context.trace_id
    assert copy.context.span_id != call.context.span_id
    for one in (copy, call):
        one.annotate({"x": "y"})
        one.end("OK")
        assert parse(one.context.traceparent) == one.context
    tracing.shutdown(10)


def test_no_payload_and_no_metadata_of_the_caller_stands_in_a_span(spans):
    metadata = [*SAMPLED, ("x-user-id", "user-secret"), ("authorization", "Bearer secret")]
    call = Tracing(1.0, spans.provider).begin(METHOD, metadata)
    assert call is not None
    call.end("OK")
    assert "secret" not in spans.finished()[0].to_json()


@pytest.mark.parametrize("method", ["", "/", "no-slash", "/a.B/C/D", "/é/ü"])
def test_an_odd_method_name_is_a_span_as_well(spans, method):
    call = Tracing(1.0, spans.provider).begin(method, [])
    assert call is not None
    call.end("UNIMPLEMENTED")
    (span,) = spans.finished()
    assert span.name == method.removeprefix("/")


class _Stuck(SpanExporter):
    """A collector that takes a span and never answers, until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def export(self, spans):
        del spans
        self.let_go.wait(30)
        return SpanExportResult.SUCCESS


def test_a_collector_that_is_stuck_holds_an_exit_up_no_longer_than_allowed():
    exporter = _Stuck()
    tracing = Tracing(1.0, provider_with(exporter))
    trace = tracing.begin("/a.B/C", ())
    assert trace is not None
    trace.end("OK")
    tracing.shutdown(0.1)
    assert not exporter.let_go.is_set()  # it returned while the collector was still stuck
    exporter.let_go.set()
