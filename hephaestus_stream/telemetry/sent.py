"""The client's half of a trace: a span for each command, and the headers that continue it."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from opentelemetry.context import attach, detach
from opentelemetry.trace import Status, StatusCode

from hephaestus_stream.telemetry import names
from hephaestus_stream.telemetry.api import KINDS, TRACER, context_of, text_of
from hephaestus_stream.wire.command import Command
from hephaestus_stream.wire.headers import TRACEPARENT, TRACESTATE, trace_headers, trace_of
from hephaestus_stream.wire.output import Reply

ResultT = TypeVar("ResultT")


@contextmanager
def continued(parent: str | None, state: str | None) -> Generator[None]:
    """Continues the trace of a request over HTTP, if it has one, for the length of a block."""
    found = trace_of([(TRACEPARENT, (parent or "").encode()), (TRACESTATE, (state or "").encode())])
    if found is None:
        yield
        return
    token = attach(context_of(found))
    try:
        yield
    finally:
        detach(token)


class SentCommand:
    """The span of one command, from its sending to its answer; repetitions are not told apart.

    Args:
        command: What is sent.
        topic: Where to.
    """

    def __init__(self, command: Command, *, topic: str) -> None:
        name = names.SENT[command.type]
        attributes = {
            names.WORKFLOW: command.workflow,
            names.KEY: command.key,
            names.SYSTEM: "kafka",
            names.OPERATION: "send",
            names.OPERATION_TYPE: "send",
            names.DESTINATION: topic,
            names.MESSAGE: command.id,
            names.MESSAGE_KEY: command.key,
        }
        self._span = TRACER.start_span(name.of(command.workflow), kind=KINDS[name.kind], attributes=attributes)

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The headers that continue the trace; none where nobody traces."""
        return trace_headers(text_of(self._span))

    def answered(self, future: Future[ResultT]) -> None:
        """Ends the span with what the caller gets."""
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self.failed(error)
            return
        outcome = "abandoned" if future.cancelled() else _outcome(future.result())
        self._span.set_attribute(names.OUTCOME, outcome)
        self._span.end()

    def failed(self, error: BaseException) -> None:
        """Ends the span with an error."""
        self._span.set_attribute(names.ERROR, type(error).__name__)
        self._span.set_status(Status(StatusCode.ERROR, str(error)))
        self._span.end()


def _outcome(result: object) -> str:
    """What was answered; that the broker has the command, where nobody asked for more."""
    if isinstance(result, Reply):
        return result.effect or result.reason or "accepted"
    return "published"
