from __future__ import annotations

from pydantic import BaseModel

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, WaitForEvent, Workflow


class Guest(BaseModel):
    name: str


class Greet(Step[Guest]):
    greeted = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Guest]) -> Outcome:
        return self.greeted()


class GreetingFlow(Workflow[Guest], key="guest"):
    greet = Greet()
    reply = WaitForEvent(Guest)
    done = Done()

    start = greet
    transitions = (greet.greeted.to(reply), reply.received.to(done))
