"""One run as it goes on, for those who ask the workers again and again: what is asked next, and what an error means."""

from __future__ import annotations

from typing import Final

from hephaestus_stream.client.question import Question
from hephaestus_stream.client.questions import telling
from hephaestus_stream.client.run import Run
from hephaestus_stream.errors import ApiUnreachableError, HephaestusError, PartitionUnavailableError, RunNotFoundError
from hephaestus_stream.wire.instance import HistoryPage
from hephaestus_stream.wire.output import HistoryRecord
from hephaestus_stream.wire.request import AnyWorkflow

ASK_AGAIN_SECONDS: Final = 0.5
"""When a run that is watched is asked for again."""


class PolledWatch:
    """Which run is meant is settled by the first answer.

    Args:
        workflow: The class, or its stored name; or a `Run`.
        id: The business value, or beside a name the full key.
        run: Which run; else the one that began last, or the next one where there is none.

    Attributes:
        question: What is asked next.
        rests: Whether that has time: nothing more is there for now.
        is_over: Whether the run has ended, and all was told.
    """

    def __init__(self, workflow: Run | AnyWorkflow | str, id: str | None, *, run: str | None) -> None:  # noqa: A002 - the wire's own word
        self._whose = (workflow, id)
        self._after = 0
        self._has_answered = self._has_found = False
        self.question: Question[HistoryPage] = telling(workflow, id, run=run, after=0)
        self.rests = False
        self.is_over = False

    def tell(self, page: HistoryPage) -> list[HistoryRecord]:
        """The events of the answer."""
        events = [HistoryRecord.model_validate(event) for event in page.events]
        self._has_answered = self._has_found = True
        self.rests = page.after is None
        self.is_over = self.rests and not page.is_live
        if events:
            self._after = events[-1].sequence
        self.question = telling(*self._whose, run=page.run, after=self._after)
        return events

    def fail(self, error: HephaestusError) -> None:
        """Goes on after an error that may pass; raises any other.

        Raises:
            RunNotFoundError: The run was there, and is not kept any more: its end was not seen.
            HephaestusError: No worker has ever answered.
        """
        match error:
            case RunNotFoundError() if not self._has_found:
                self._has_answered = True
            case ApiUnreachableError() | PartitionUnavailableError() if self._has_answered:
                pass  # a worker is started again, perhaps
            case _:
                raise error
        self.rests = True
