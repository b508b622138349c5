"""Traces as a collector receives them."""

import asyncio

from aiohttp import ClientSession, web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from cadence_sync.core.report import Counters, ErrorInfo, Outcome, Report
from cadence_sync.daemon.tracing import tracing


async def test_a_run_is_a_span_and_a_request_to_zoho_one_below_it() -> None:
    received: list[Span] = []

    async def collect(request: web.Request) -> web.Response:
        message = ExportTraceServiceRequest.FromString(await request.read())
        received.extend(s for resource in message.resource_spans for scope in resource.scope_spans for s in scope.spans)
        return web.Response()

    async def zoho(_request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", collect)
    app.router.add_get("/crm", zoho)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    # Sending at the end blocks, and the collector is in this loop.
    opened = tracing(url)
    span = opened.__enter__()
    with span("acme", "schedule") as tell:
        async with ClientSession() as session, session.get(f"{url}/crm?page=1"):
            pass
        tell(Report("acme", 7, Outcome.SUCCEEDED, Counters(seen=3, unchanged=3), 1, 0.5))
    with span("acme", "request") as tell:
        problem = ErrorInfo("TLS_ERROR", "It cannot be trusted.", "", 4)
        tell(Report("acme", 8, Outcome.FAILED, Counters(), 1, 0.5, problem))
    await asyncio.to_thread(opened.__exit__, None, None, None)
    await runner.cleanup()
    request, good, bad = sorted(received, key=lambda one: one.end_time_unix_nano)
    assert (request.parent_span_id, good.parent_span_id) == (good.span_id, b"")
    reported = {one.key: one.value.string_value or one.value.int_value for one in good.attributes}
    assert (reported["cadence_sync.org_id"], reported["cadence_sync.trigger"]) == ("acme", "schedule")
    assert (reported["cadence_sync.outcome"], reported["cadence_sync.run_id"], reported["cadence_sync.seen"]) == (
        "succeeded",
        7,
        3,
    )
    assert (bad.status.code, bad.status.message) == (Status.STATUS_CODE_ERROR, "It cannot be trusted.")
    assert {one.key: one.value.string_value for one in bad.attributes}["cadence_sync.error_code"] == "TLS_ERROR"


def test_without_an_endpoint_there_is_nothing_to_pay() -> None:
    with tracing(None) as span, span("acme", "schedule") as tell:
        tell(Report("acme", 7, Outcome.SUCCEEDED, Counters()))
