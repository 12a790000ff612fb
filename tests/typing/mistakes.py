"""Mistakes that the type checkers must refuse, each at the line with the mark.

Both must refuse what is "wrong". What is "wrong for pyright only" mypy cannot see; then a test executes the line, and it
raises. Nothing in the functions is executed otherwise: the file can be imported.
"""

# These would be reported of lines that are right as well.
# pyright: reportUnusedClass=false, reportUnusedVariable=false

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel

from hephaestus_stream import (
    AsyncClient,
    Client,
    CommandRefusedError,
    Completion,
    Connection,
    Context,
    Debug,
    Done,
    Event,
    Failed,
    Instance,
    Outcome,
    RetryAfterError,
    RetryPolicy,
    Run,
    Step,
    Suspend,
    Wait,
    WaitForEvent,
    Workflow,
)
from hephaestus_stream.testing import SimulatedRun, Simulator


class Order(BaseModel, frozen=True):
    express: bool = False


class Payment(BaseModel, frozen=True):
    reference: str


class Currency(BaseModel, frozen=True):
    code: str


class Ship(Step[Order]):
    shipped = Event()
    lost = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Order]) -> Outcome:
        if context.initial.expres:  # wrong: no such field
            return self.arrived()  # wrong: no such event
        if context.attempt > 1:
            return self.shipped(Payment(reference="p"))  # wrong: the event carries nothing
        if context.stop_requested:
            return self.shipped  # wrong: an event that is not called
        if instance.name:  # wrong: no such field
            return self.shipped(metadata=5)  # wrong: metadata is a mapping
        instance.tags = ()  # wrong: nothing of an instance changes
        context.attempt = 2  # wrong: nothing of a context changes
        return "shipped"  # wrong: a string is no outcome


class Charge(Step[Order, Currency]):
    charged = Event(Payment)
    declined = Event(str)

    async def execute(self, instance: Instance, config: Currency, context: Context[Order]) -> Outcome:
        if config.name:  # wrong: no such field
            return self.charged()  # wrong: the payload is missing
        if config.code:
            return self.declined(5)  # wrong: another payload
        return self.charged(Currency(code="EUR"))  # wrong: another payload


class Confirm(Step[object]):
    confirmed = Event(Payment, external=True)
    expired = Event()

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        if context.initial.express:  # wrong: the payload of a Step[object] is unknown
            return Suspend(timeout=2, otherwise=self.expired())  # wrong: a duration is no number
        if context.attempt > 1:
            return Suspend(until="noon")  # wrong: an instant is no string
        return Suspend(timeout=timedelta(days=2), otherwise=self.expired)  # wrong: an event that is not called


def by_speed(context: Context[Order]) -> Literal["express", "standard"]:
    return "slow"  # wrong: no such label


def by_size(context: Context[Order]) -> int:
    return 1


class Flow(Workflow[Order], key="orderid"):
    ship = Ship()
    other = Ship()
    charge = Charge(Currency(code="EUR"))
    wait = Wait(timedelta(days=1))
    review = WaitForEvent(Payment)
    signal = WaitForEvent()
    end = Done()

    start = ship
    transitions = (
        ship.shipped.to(charge),
        ship.lost.to(end),
        charge.charged.to(other),
        charge.declined.to(end),
        other.shipped.route(by_speed).to({"express": wait, "standard": end}),
        other.lost.to(end),
        wait.elapsed.to(review),
        review.received.to(signal),
        signal.received.to(end),
    )


def steps() -> None:
    class WrongRunner(Ship):
        runner = "fibre"  # wrong: no such runner

    class WrongTimeout(Ship):
        timeout = 20  # wrong: a duration is no number

    class WrongRetry(Ship):
        retry = 5  # wrong: a policy is no number

    class WrongConfiguration(Step[Order]):
        async def execute(self, instance: Instance, config: Currency, context: Context[Order]) -> Outcome:  # wrong: no config
            raise NotImplementedError

    class WrongInput(Step[Order]):
        async def execute(self, instance: Instance, config: None, context: Context[Payment]) -> Outcome:  # wrong: no order
            raise NotImplementedError

    class WrongResult(Step[Order]):
        async def execute(self, instance: Instance, config: None, context: Context[Order]) -> Payment:  # wrong: no outcome
            raise NotImplementedError

    class WrongParameters(Step[Order]):
        async def execute(self, context: Context[Order]) -> Outcome:  # wrong: two parameters are missing
            raise NotImplementedError

    class TooMany(Step[Order, Currency, Payment]):  # wrong: a step has an input and a configuration
        pass


def events() -> None:
    Event("Payment")  # wrong: a model is no string
    Event(Payment, external="yes")  # wrong: neither True nor False
    Event(Payment, name="paid")  # wrong: no such keyword


def policies() -> None:
    RetryPolicy(max_attempts="5")  # wrong: a number is no string
    RetryPolicy(backoff="cubic")  # wrong: no such backoff
    RetryPolicy(initial_delay=1)  # wrong: a duration is no number
    RetryPolicy(jitter="some")  # wrong: a part is no string
    RetryPolicy(non_retryable=(ValueError("no"),))  # wrong: an exception is no class
    RetryPolicy(non_retryable=ValueError)  # wrong: one class is no tuple
    RetryPolicy(max_atempts=5)  # wrong: no such keyword
    RetryAfterError("busy", delay=5)  # wrong: a duration is no number


def nodes() -> None:
    Charge()  # wrong for pyright only: no configuration
    Charge(Order())  # wrong: another configuration
    Charge("EUR")  # wrong: another configuration
    Ship(Currency(code="EUR"))  # wrong: takes no configuration
    Wait(3)  # wrong: a duration is no number
    Wait()  # wrong: no duration
    WaitForEvent("Review")  # wrong: a model is no string
    WaitForEvent(Payment, timeout=3)  # wrong: a duration is no number
    WaitForEvent(Payment, timedelta(days=1))  # wrong: a keyword
    Debug()  # wrong for pyright only: no message
    Debug(5)  # wrong: a message is a string
    Done("done")  # wrong: endings are named by their attribute
    Failed()  # wrong: no reason
    Failed(5)  # wrong: a reason is a string
    Flow.charge.config.amount  # wrong: no such field  # noqa: B018


def rows() -> None:
    Flow.ship.shiped.to(Flow.end)  # wrong: no such event
    Ship.lost.to(Flow.end)  # wrong: the event of a step, not of a node
    Ship.shipped.route(by_speed)  # wrong: the event of a step, not of a node
    Flow.ship.shipped.to(Flow.other.shipped)  # wrong: leads to an event
    Flow.ship.shipped.to(Ship)  # wrong: leads to a class
    Flow.ship.shipped.to("end")  # wrong: leads to a string
    Flow.ship.shipped.to([Flow.charge, Flow.other])  # wrong: leads to a list
    Flow.wait.elapsed.to(timedelta(days=1))  # wrong: leads to a duration
    Flow.end.done.to(Flow.ship)  # wrong: an ending has no events
    Flow.validate.valid.to(Flow.end)  # wrong: no such node


def routes() -> None:
    Flow.ship.shipped.route("express")  # wrong: a string is no function
    Flow.ship.shipped.route(by_size)  # wrong: a number is no label
    Flow.ship.shipped.route(by_speed).to({"express": Flow.end, "standart": Flow.end})  # wrong: no such label
    Flow.ship.shipped.route(by_speed).to({"express": Ship, "standard": Flow.end})  # wrong: leads to a class
    Flow.ship.shipped.route(by_speed).to({"express": [Flow.end], "standard": Flow.end})  # wrong: a list is no tuple
    Flow.ship.shipped.route(by_speed).to(Flow.end)  # wrong: no table


def workflows() -> None:
    class WrongStart(Workflow[Order], key="orderid"):
        start = "ship"  # wrong: a string is no node

    class ClassAsStart(Workflow[Order], key="orderid"):
        start = Ship  # wrong: a class is no node

    class UnfinishedRows(Workflow[Order], key="orderid"):
        work = Ship()
        transitions = (work.shipped, work.lost)  # wrong: rows that are not finished

    class SingleRow(Workflow[Order], key="orderid"):
        wait = Wait(timedelta(days=1))
        transitions = wait.elapsed.to(wait)  # wrong: no tuple

    class ListOfRows(Workflow[Order], key="orderid"):
        wait = Wait(timedelta(days=1))
        transitions = [wait.elapsed.to(wait)]  # wrong: no tuple

    class Unkeyed(Workflow[Order], kee="orderid"):  # wrong: no such keyword
        pass

    class NumberAsKey(Workflow[Order], key=5):  # wrong: a key is a string
        pass

    class WrongScope(Workflow[Order], key="orderid", scope="galaxy"):  # wrong: no such scope
        pass

    class WrongReuse(Workflow[Order], key="orderid", reuse="sometimes"):  # wrong: no such reuse
        pass

    class WrongVersion(Workflow[Order], key="orderid", version="2"):  # wrong: a version is a number
        pass

    class WrongCurrent(Workflow[Order], key="orderid", current="no"):  # wrong: neither True nor False
        pass

    class WrongTags(Workflow[Order], key="orderid", tags="sales"):  # wrong: a string is no tuple
        pass

    class WrongMetadata(Workflow[Order], key="orderid", metadata=["shop"]):  # wrong: a list is no mapping
        pass

    class WrongRetry(Workflow[Order], key="orderid", retry=5):  # wrong: a policy is no number
        pass

    class WrongRetention(Workflow[Order], key="orderid", retention=7):  # wrong: a duration is no number
        pass

    class TwoInputs(Workflow[Order, Payment], key="orderid"):  # wrong: a workflow has one input
        pass


def read(context: Context[Order]) -> str:
    context.result(Flow.charge.charged).amount  # wrong: no such field  # noqa: B018
    context.result("charge")  # wrong: a string is no event
    context.result(Flow.charge)  # wrong: a node is no event
    context.steps["charge"].result  # wrong: no such field  # noqa: B018
    return context.result(Charge.charged)  # wrong: a payment is no string


async def clients(client: AsyncClient, run: Run, completion: Completion) -> None:
    await client.start(Flow, "abc123", Payment(reference="p-1"))  # wrong: another start payload
    await client.start(Flow, "abc123")  # wrong: no start payload
    await client.start(Flow, 5, Order())  # wrong: an id is a string
    await client.start("OrderFlow", "abc123", Order())  # wrong: a string is no workflow
    await client.start(Flow, "abc123", Order(), on_conflict="retry")  # wrong: no such policy
    await client.start(Flow, "abc123", Order(), tags="sales")  # wrong: a string is no tuple
    await client.start(Flow, "abc123", Order(), timeout=5)  # wrong: a duration is no number
    await client.start(Flow, "abc123", Order(), reason="no")  # wrong: no such keyword
    await client.resume(Flow, "abc123", Flow.review.received, Order())  # wrong: another payload
    await client.resume(Flow, "abc123", Flow.review.received)  # wrong: no payload
    await client.resume(Flow, "abc123", Flow.signal.received, Payment(reference="p-1"))  # wrong: carries nothing
    await client.resume(Flow, "abc123", Charge.charged, Payment(reference="p-1"))  # wrong: the event of a step
    await client.resume(Flow, "abc123", "review.received")  # wrong: a string is no event
    await client.resume(Flow, "abc123", Flow.review.recieved)  # wrong: no such event
    await client.migrate(Flow, "abc123", Order())  # wrong: takes no payload
    await client.cancel(Flow, "abc123", reason=5)  # wrong: a reason is a string
    await client.cancel(run)  # wrong: names no id
    await client.wait(run, timeout=5)  # wrong: a duration is no number
    await client.wait(Flow)  # wrong: names no id
    client.start(Flow, "abc123", Order()).key  # wrong: not awaited  # noqa: B018
    run.status  # wrong: a reference has no status  # noqa: B018
    run.key = "orderid::b"  # wrong: nothing of a reference changes
    completion.result(Flow.charge.charged).amount  # wrong: no such field  # noqa: B018
    completion.result("charge")  # wrong: a string is no event
    if completion.status == "done":  # wrong: no such status
        pass


def blocking_clients(client: Client) -> None:
    client.start(Flow, "abc123", Payment(reference="p-1"))  # wrong: another start payload
    client.resume(Flow, "abc123", Flow.review.received, Order())  # wrong: another payload
    client.resume(Flow, "abc123", Flow.review.received)  # wrong: no payload
    client.resume(Flow, "abc123", Flow.signal.received, 5)  # wrong: carries nothing
    client.cancel(Flow)  # wrong: names no id
    client.wait(Flow, "abc123", timeout=5)  # wrong: a duration is no number
    Client(bootstrap=9092)  # wrong: an address is a string
    AsyncClient("localhost:9092")  # wrong: a string is no connection
    Connection()  # wrong: no address
    Connection("localhost:9092", options={"socket.timeout.ms": 5})  # wrong: options are strings
    CommandRefusedError("no")  # wrong: no reason


async def tests(simulator: Simulator, run: SimulatedRun) -> None:
    await simulator.start(Flow, "abc123", Payment(reference="p-1"))  # wrong: another start payload
    await simulator.resume(run, Flow.review.received, Order())  # wrong: another payload
    await simulator.resume(run, Flow.review.received)  # wrong: no payload
    await simulator.resume(run, Flow.signal.received, Payment(reference="p-1"))  # wrong: carries nothing
    await simulator.skip(run, 14)  # wrong: a duration is no number
    await simulator.cancel("abc123")  # wrong: a string is no run
    simulator.stub(Charge, ConnectionError("down"))  # wrong: a class is no node
    simulator.stub(Flow.charge, "charged")  # wrong: a string is no outcome
    simulator.stub(Flow.charge, Charge.charged)  # wrong: an event that is not called
    simulator.stub(Flow.charge, Charge.charged())  # wrong: no payload
    simulator.stub(Flow.charge, Charge.charged(Order()))  # wrong: another payload
    simulator.stub(Flow.charge, ConnectionError)  # wrong: a class is no exception
    simulator.stub(Flow.charge, lambda: Ship.shipped())  # wrong: no parameters
    simulator.now = 5  # wrong: only skip moves the clock
    if run.status == "done":  # wrong: no such status
        pass
