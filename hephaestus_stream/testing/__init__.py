"""The Simulator: the worker's engine and cycle under a virtual clock, without a broker.

simulator = Simulator()
simulator.stub(OrderFlow.charge, ConnectionError("down"), ChargeCard.charged(Payment(reference="p-1")))
run = await simulator.start(OrderFlow, "abc123", order)
run = await simulator.skip(run, timedelta(days=14))
assert run.status == "waiting"
"""

from hephaestus_stream.testing.run import SimulatedRun
from hephaestus_stream.testing.simulator import Simulator
from hephaestus_stream.testing.stub import HANGS, Stub

__all__ = ["HANGS", "SimulatedRun", "Simulator", "Stub"]
