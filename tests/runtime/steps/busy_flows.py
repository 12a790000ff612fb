"""Steps that ask for their retry, in each of the places where a step may run; processes import them from here."""

from __future__ import annotations

from datetime import timedelta

from hephaestus_stream import Context, Done, Event, Instance, Outcome, RetryAfterError, RetryPolicy, Step, Workflow
from tests.cycle.flows import Order

DELAY = timedelta(minutes=7)


class BusyError(RetryAfterError):
    """With an argument of its own, as clients of services have."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"answer {code}", delay=DELAY)


class Call(Step[object]):
    """Is asked to come again, once."""

    done = Event()
    retry = RetryPolicy(max_attempts=2, initial_delay=timedelta(seconds=1), max_delay=timedelta(seconds=1))

    def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        if context.attempt == 1:
            raise BusyError(429)
        return self.done()


class CallInThread(Call):
    runner = "thread"


class CallInProcess(Call):
    runner = "process"


class ThreadFlow(Workflow[Order], key="flow"):
    call = CallInThread()
    done = Done()
    start = call
    transitions = (call.done.to(done),)


class ProcessFlow(Workflow[Order], key="flow"):
    call = CallInProcess()
    done = Done()
    start = call
    transitions = (call.done.to(done),)
