"""Spans of sampled calls.

Whether a call is traced is decided from its `traceparent` or a draw before anything is made for it. A
traced call has ids whether or not spans are exported, so that its trace id can travel on and in reports;
an OpenTelemetry span exists only where the standard OTEL_* variables ask for an exporter.
"""

import random
import threading
from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from proxy.policy.matching import Metadata, values
from proxy.policy.tracecontext import SpanContext, is_sampled, parse

_OK = trace.Status(trace.StatusCode.OK)


class CallTrace:
    """One traced call or copy: where it is in its trace, and its span where there is one."""

    __slots__ = ("_provider", "_span", "context")

    def __init__(
        self, context: SpanContext, span: trace.Span | None, provider: TracerProvider | None
    ) -> None:
        self.context = context
        self._span = span
        self._provider = provider

    def child(self, name: str, attributes: Mapping[str, str]) -> "CallTrace":
        """A span below this one."""
        return _begin(name, self.context, attributes, trace.SpanKind.CLIENT, self._provider)

    def annotate(self, attributes: Mapping[str, str]) -> None:
        """Add what became known on the way."""
        if self._span is not None:
            self._span.set_attributes(dict(attributes))

    def end(self, code: str) -> None:
        """The call ended with this status code."""
        if self._span is not None:
            self._span.set_attribute("rpc.response.status_code", code)
            self._span.set_status(_OK if code == "OK" else trace.Status(trace.StatusCode.ERROR, code))
            self._span.end()


class Tracing:
    """Decides which calls are traced, and begins their spans."""

    def __init__(self, ratio: float, provider: TracerProvider | None) -> None:
        self._ratio = ratio
        self._provider = provider

    def begin(self, method: str, metadata: Metadata) -> CallTrace | None:
        """A span for this call, if it is to be traced at all."""
        header = values(metadata, "traceparent")
        parent = parse(header[0]) if len(header) == 1 else None
        if not is_sampled(parent, self._ratio, random.random()):  # noqa: S311  # not a secret
            return None
        service, _, name = method.removeprefix("/").partition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
        return _begin(method.removeprefix("/"), parent, attributes, trace.SpanKind.SERVER, self._provider)

    def shutdown(self, within: float) -> None:
        """Send what is left, for at most `within` seconds: a collector that is away must not hold up an exit.

        The exporters wait longer than that by themselves, so they are left behind in a daemon thread.
        """
        if self._provider is not None:
            sending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
            sending.start()
            sending.join(within)


def _begin(
    name: str,
    parent: SpanContext | None,
    attributes: Mapping[str, str],
    kind: trace.SpanKind,
    provider: TracerProvider | None,
) -> CallTrace:
    if provider is None:
        trace_id = parent.trace_id if parent else random.getrandbits(128) or 1
        return CallTrace(SpanContext(trace_id, random.getrandbits(64) or 1, sampled=True), None, None)
    above = trace.set_span_in_context(trace.NonRecordingSpan(_otel_context(parent))) if parent else None
    tracer = provider.get_tracer("understudy")
    span = tracer.start_span(name, context=above, kind=kind, attributes=dict(attributes))
    own = span.get_span_context()
    return CallTrace(SpanContext(own.trace_id, own.span_id, sampled=True), span, provider)


def _otel_context(context: SpanContext) -> trace.SpanContext:
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    return trace.SpanContext(context.trace_id, context.span_id, is_remote=True, trace_flags=flags)
