"""A subscription: a free trial, then months that are paid for, until the customer cancels or the last one is over.

Shows timers whose length the start payload says, an event that races a timer, and renewals as a chain of nodes: a
workflow has no cycles, so their number is bounded, and each month has a name that history and commands can say.

    hephaestus dev workflows.subscription
    hephaestus start workflows.subscription:SubscriptionFlow ada --input '{"plan": "reader"}'
    hephaestus resume workflows.subscription:SubscriptionFlow ada first_month.cancelled --payload '{"reason": "moving"}'

A "month" lasts ten seconds unless the input says otherwise: `{"plan": "reader", "trial": "P14D", "month": "P30D"}`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel

from hephaestus_stream import Context, Done, Event, Instance, Outcome, RetryPolicy, Step, Suspend, Wait, Workflow


class Subscription(BaseModel, frozen=True):
    """What is subscribed to, and how long things last; a demonstration is short."""

    plan: str
    trial: timedelta = timedelta(seconds=5)
    month: timedelta = timedelta(seconds=10)
    notice: timedelta = timedelta(seconds=3)


class Cancellation(BaseModel, frozen=True):
    """Why the customer goes."""

    reason: str


class Fee(BaseModel, frozen=True):
    """What was collected; the reference is the same in every attempt, so nobody pays a month twice."""

    reference: str


class Period(Step[Subscription, Literal["trial", "month"]]):
    """Lasts as long as the subscription says, unless the customer cancels before."""

    elapsed = Event()
    cancelled = Event(Cancellation, external=True)

    async def execute(
        self, instance: Instance, config: Literal["trial", "month"], context: Context[Subscription]
    ) -> Outcome:
        length = context.initial.trial if config == "trial" else context.initial.month
        return Suspend(timeout=length, otherwise=self.elapsed())


class CollectFee(Step[Subscription]):
    """Collects the fee of the month that begins."""

    collected = Event(Fee)
    retry = RetryPolicy(max_attempts=5, initial_delay=timedelta(seconds=1))

    async def execute(self, instance: Instance, config: None, context: Context[Subscription]) -> Outcome:
        return self.collected(Fee(reference=context.idempotency_key))


def notice_period(context: Context[Subscription]) -> timedelta:
    """How long the subscription goes on after the customer cancelled."""
    return context.initial.notice


class SubscriptionFlow(Workflow[Subscription], key="subscription", tags=("sales",)):
    """A trial, up to three paid months, and a period of notice.

    Graph, drawn by `hephaestus docs`::

                            ┌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┐
                            ┆     ▶ trial      ┆
                            └╌╌╌┬╌╌╌╌╌╌╌╌╌┬╌╌╌╌┘
                             elapsed  cancelled
                       ┌────────▼──┐   ╭──▼────────────╮
                       │ first_fee │   │ not_convinced │
                       └─────┬─────┘   ╰───────────────╯
                         collected
                   ┌╌╌╌╌╌╌╌╌╌▼╌╌╌╌╌╌╌╌┐
                   ┆   first_month    ┆
                   └╌╌╌┬╌╌╌╌╌╌╌╌╌┬╌╌╌╌┘
                    elapsed  cancelled
                ┌──────▼─────┐   │
                │ second_fee │   │
                └──────┬─────┘   │
                   collected     │
                       │         └──┐
            ┌╌╌╌╌╌╌╌╌╌╌▼╌╌╌╌╌╌╌┐    │
            ┆   second_month   ┆    │
            └╌╌╌┬╌╌╌╌╌╌╌╌╌┬╌╌╌╌┘    │
             elapsed  cancelled     │
                │         └────┬────┘
              ┌─▼─────────┐    │
              │ third_fee │    │
              └─────┬─────┘    │
                collected      │
        ┌╌╌╌╌╌╌╌╌╌╌╌▼╌╌╌╌╌╌┐   │
        ┆   third_month    ┆   │
        └╌╌╌┬╌╌╌╌╌╌╌╌╌┬╌╌╌╌┘   │
         elapsed  cancelled    │
            │         └──────┬─┘
          ╭─▼───────╮   ┌╌╌╌╌▼╌╌╌┐
          │ expired │   ┆ notice ┆
          ╰─────────╯   └╌╌╌╌┬╌╌╌┘
                          elapsed
                      ╭──────▼────╮
                      │ cancelled │
                      ╰───────────╯

    End of the graph.
    """

    trial = Period("trial")
    first_fee = CollectFee()
    first_month = Period("month")
    second_fee = CollectFee()
    second_month = Period("month")
    third_fee = CollectFee()
    third_month = Period("month")
    notice = Wait(notice_period)
    expired = Done()
    cancelled = Done()
    not_convinced = Done()

    start = trial
    transitions = (
        trial.elapsed.to(first_fee),
        trial.cancelled.to(not_convinced),
        first_fee.collected.to(first_month),
        first_month.elapsed.to(second_fee),
        first_month.cancelled.to(notice),
        second_fee.collected.to(second_month),
        second_month.elapsed.to(third_fee),
        second_month.cancelled.to(notice),
        third_fee.collected.to(third_month),
        third_month.elapsed.to(expired),
        third_month.cancelled.to(notice),
        notice.elapsed.to(cancelled),
    )
