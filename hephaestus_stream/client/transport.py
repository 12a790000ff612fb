"""How commands go out and answers come in, whichever way."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import timedelta
from typing import Final, Protocol

from hephaestus_stream.client.completion import Completion
from hephaestus_stream.client.run import Published, Receipt, Run
from hephaestus_stream.errors import ClientClosedError
from hephaestus_stream.wire.command import Command
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.request import AnyWorkflow

DEFAULT_TIMEOUT: Final = timedelta(seconds=30)
DEFAULT_REPEAT_AFTER: Final = timedelta(seconds=5)


class Transport(Protocol):
    """Its futures can be awaited from any thread or event loop."""

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        ...

    def open(self) -> None:
        """Connects, unless it is connected.

        Raises:
            ClientClosedError: It was closed before.
        """
        ...

    def close(self) -> None:
        """Sends what is left; those who still wait see an error."""
        ...

    def submit(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> Future[Reply]:
        """Sends a command; the future gets the engine's answer, accepted or refused."""
        ...

    def publish(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> Future[Published]:
        """Sends a command; the future ends as soon as it is safe that it will be taken in."""
        ...

    def completion(self, run: Run | Receipt | AnyWorkflow, id: str | None = None) -> Future[Completion]:  # noqa: A002 - the wire's own word
        """The end of a run, or of the latest ended run of a workflow's id."""
        ...


def not_open(*, was_closed: bool) -> ClientClosedError:
    """The error of whoever asks something of a client that cannot."""
    problem = "closed: make another one" if was_closed else "not open: write `with` or call `open` first"
    return ClientClosedError(f"the client is {problem}")


def which_id(run: type[object]) -> TypeError:
    """The error of whoever waits for a workflow, and does not say for which id of it."""
    return TypeError(f"wait({run.__name__}) does not say for which id: write wait({run.__name__}, 'abc123')")
