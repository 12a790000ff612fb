"""No two steps share an idempotency key, whatever their users name their instances and runs."""

from __future__ import annotations

from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, Workflow
from hephaestus_stream.core.idempotency import idempotency_key
from hephaestus_stream.testing import Simulator

NAMES = st.text(st.sampled_from("ab:/%25F"), min_size=1, max_size=8) | st.text(min_size=1)
STEPS = st.tuples(NAMES, NAMES, st.sampled_from(["charge", "pack"]))


@given(STEPS, STEPS)
@example(("order::a/b", "c", "pack"), ("order::a", "b/c", "pack"))
@example(("order::a/b", "c", "pack"), ("order::a%2Fb", "c", "pack"))
def test_two_steps_have_two_idempotency_keys(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (idempotency_key(*one) == idempotency_key(*other)) == (one == other)


@given(STEPS)
def test_an_idempotency_key_tells_the_business_key_the_run_and_the_node(step: tuple[str, str, str]) -> None:
    assert tuple(map(unquote, idempotency_key(*step).split("/"))) == step


@given(st.text(st.characters(exclude_characters="/%")), st.text(st.characters(exclude_characters="/%")))
def test_names_without_a_slash_or_a_percent_sign_stand_in_it_as_they_are(key: str, run: str) -> None:
    assert idempotency_key(key, run, "pack") == f"{key}/{run}/pack"


class Pack(Step[None]):
    packed = Event(str)

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        return self.packed(context.idempotency_key)


class Packing(Workflow[None], key="order"):
    pack = Pack()
    done = Done()
    start = pack
    transitions = (pack.packed.to(done),)


async def test_a_step_is_given_a_key_that_no_step_of_another_run_has() -> None:
    simulator = Simulator()
    one = await simulator.start(Packing, "a/b", None, command_id="c")
    other = await simulator.start(Packing, "a", None, command_id="b/c")
    assert [run.result(Packing.pack.packed) for run in (one, other)] == [
        "order::a%2Fb/c/pack",
        "order::a/b%2Fc/pack",
    ]
