"""Where spans go, by the standard OTEL_* environment variables.

`OTEL_TRACES_EXPORTER` (otlp | none), `OTEL_EXPORTER_OTLP[_TRACES]_ENDPOINT`,
`OTEL_EXPORTER_OTLP[_TRACES]_PROTOCOL` (grpc | http/protobuf), `OTEL_SDK_DISABLED`, and whatever the SDK and
its exporters read themselves (service name, headers, batch sizes …). Source: OpenTelemetry, "Environment
Variable Specification".
"""

import importlib
from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from understudy.serving.failure import CannotStart

_EXPORTERS = {
    "grpc": "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http.trace_exporter",
}


def provider_from(environment: Mapping[str, str]) -> TracerProvider | None:
    """A provider that exports what it is given, or None where no exporter is asked for.

    Raises CannotStart for an exporter that is unknown or not installed.
    """
    wanted = environment.get("OTEL_TRACES_EXPORTER", "").strip()
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    is_asked = wanted == "otlp" or (not wanted and any(environment.get(name) for name in endpoints))
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or wanted == "none":
        return None
    if wanted not in ("", "otlp"):
        raise CannotStart(f"OTEL_TRACES_EXPORTER: must be otlp or none, got {wanted!r}")
    return provider_with(_exporter(environment)) if is_asked else None


def provider_with(exporter: SpanExporter) -> TracerProvider:
    """A provider that sends every span it makes: calls are sampled before a span is made."""
    name = Resource.create().attributes.get(SERVICE_NAME)
    own = {SERVICE_NAME: "understudy-proxy"} if str(name or "").startswith("unknown_service") else {}
    provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource.create(own), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _exporter(environment: Mapping[str, str]) -> SpanExporter:
    names = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    protocol = next((environment[name] for name in names if environment.get(name)), "grpc")
    if protocol not in _EXPORTERS:
        wanted = " or ".join(_EXPORTERS)
        raise CannotStart(f"OTEL_EXPORTER_OTLP_PROTOCOL: must be {wanted}, got {protocol!r}")
    try:
        module: Any = importlib.import_module(_EXPORTERS[protocol])
    except ImportError:
        raise CannotStart("traces are to be exported by OTLP: install understudy[otlp]") from None
    exporter: SpanExporter = module.OTLPSpanExporter()
    return exporter
