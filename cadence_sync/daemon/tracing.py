"""Traces by OpenTelemetry: one span a run, and below it one a request to Zoho. Off unless an endpoint is set."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeAlias

from cadence_sync import __version__
from cadence_sync.core.report import Report
from cadence_sync.errors import SettingsError

Span: TypeAlias = Callable[[Report], None]
"""Adds the result of the run to its span."""
Tracing: TypeAlias = Callable[[str, str], AbstractContextManager[Span]]
"""Opens a span for a run, by organization and trigger."""


@contextmanager
def tracing(endpoint: str | None) -> Iterator[Tracing]:
    """Yields a function that opens spans, sent to an OTLP endpoint over HTTP; without one it does nothing."""
    if endpoint is None:
        yield lambda _org_id, _trigger: nullcontext(lambda _report: None)
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsError(
            "CADENCE_SYNC_OTLP_ENDPOINT needs the extra `otel`.", hint="pip install 'cadence-sync[otel]'"
        ) from error
    provider = TracerProvider(
        resource=Resource.create({"service.name": "cadence-sync", "service.version": __version__}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    requests = AioHttpClientInstrumentor()
    requests.instrument(tracer_provider=provider)
    tracer = provider.get_tracer("cadence_sync", __version__)

    @contextmanager
    def span(org_id: str, trigger: str) -> Iterator[Span]:
        about = {"cadence_sync.org_id": org_id, "cadence_sync.trigger": trigger}
        with tracer.start_as_current_span("sync", attributes=about) as current:
            yield lambda report: _finish(current, report)

    try:
        yield span
    finally:
        requests.uninstrument()
        provider.shutdown()  # sends the spans that wait


def _finish(span: Any, report: Report) -> None:
    from opentelemetry.trace import StatusCode

    attributes = {name: value for name, value in report.to_json().items() if isinstance(value, str | int | float)}
    span.set_attributes({f"cadence_sync.{name}": value for name, value in attributes.items()})
    if report.error is not None:
        span.set_attribute("cadence_sync.error_code", report.error.code)
        span.set_status(StatusCode.ERROR, report.error.message)
