"""The commands and what `--help` says of them.

The functions are named by their import path, so that `--help` and completion import none of them; that is why their
help stands here and not in their docstrings.
"""

from __future__ import annotations

import logging
import sys
import traceback
from functools import partial
from typing import Annotated

from cyclopts import App, Group, Parameter
from rich.console import Console

from hephaestus_stream.cli.deadline import exit_soon
from hephaestus_stream.cli.failure import (
    EXIT_CODES_HELP,
    WHERE_EXIT_CODES_ARE,
    code_of_worker,
    exit_code_of,
    tell_misuse,
)

_TRY = Group("Try it", sort_key=0)
_RUN = Group("Run workflows", sort_key=1)
_TALK = Group("Talk to running workflows", sort_key=2)
_FIND = Group("Find instances", sort_key=3)
_STEER = Group("Steer instances", sort_key=4)
_LOOK = Group("Look at definitions", sort_key=5)
_KAFKA = Group("Kafka", sort_key=6)
_GENERAL = Group("General", sort_key=20)

app = App(
    name="hephaestus",
    help="Durable workflows on Kafka: typed Python classes, run by a stream processor.",
    help_format="markdown",
    help_epilogue=EXIT_CODES_HELP,
    group_commands=_GENERAL,
    group_arguments=Group("Arguments", sort_key=0),
    group_parameters=Group("Options", sort_key=1),
    default_parameter=Parameter(negative=()),
    # What fails is told by `main`, in one way for all commands.
    suppress_keyboard_interrupt=False,
    error_formatter=tell_misuse,
    error_console=Console(stderr=True, soft_wrap=True, highlight=False),
    result_action="return_value",
)
# The codes are told once; whoever reads of one command is told where.
_command = partial(app.command, help_epilogue=WHERE_EXIT_CODES_ARE)
app.register_install_completion_command(  # pyright: ignore[reportUnknownMemberType]  # its keywords are open
    help="Install completion for your shell (bash, zsh, fish, powershell)."
)

_command(
    "hephaestus_stream.cli.demo:demo",
    name="demo",
    group=_TRY,
    help="""See it work: a real Kafka, a real worker, the example workflows, in under a minute.

Everything lives in a temporary folder and is gone afterwards; Ctrl-C at any moment leaves nothing running.
It needs Java 17 and the extra `local`.
""",
)
_command(
    "hephaestus_stream.cli.dev:dev",
    name="dev",
    usage="Usage: hephaestus dev [OPTIONS] MODULES...",
    group=_TRY,
    help="""Run the workflows of modules on a local Kafka, with logs, until Ctrl-C.

```sh
hephaestus dev workflows
```

The broker keeps its data in `.hephaestus/kafka`; the other commands find it there by themselves.
""",
)
_command(
    "hephaestus_stream.cli.worker:worker",
    name="worker",
    usage="Usage: hephaestus worker [OPTIONS] MODULES...",
    group=_RUN,
    help="""Run the workflows of modules on the Kafka of your settings, until it is told to stop.

```sh
hephaestus worker workflows --bootstrap kafka-1:9092
hephaestus worker workflows -X security.protocol=SSL --log-level debug
hephaestus worker workflows.order shop --restart
```

SIGTERM or Ctrl-C stop it in order, with code 0; a second Ctrl-C exits at once. A worker that cannot go on says why
in its last line. `--restart` starts it again where that may mend it, as after a `kill -9`; systemd and Kubernetes do
so by themselves.
""",
)
_command(
    "hephaestus_stream.cli.commands:start",
    name="start",
    group=_TALK,
    help="""Start a run of a workflow and wait until the engine has recorded it, or until it has ended.

```sh
hephaestus start workflows.order:OrderFlow abc123 --input '{"sku": "chair", "quantity": 2, "customer": "ada"}'
hephaestus start OrderFlow orderid::abc123 --input @order.json --wait
```
""",
)
_command(
    "hephaestus_stream.cli.commands:resume",
    name="resume",
    group=_TALK,
    help="""Send an event to a run that waits for it, or will.

```sh
hephaestus resume workflows.order:OrderFlow abc123 review.received --payload '{"stars": 5}'
```
""",
)
_command(
    "hephaestus_stream.cli.commands:migrate",
    name="migrate",
    group=_TALK,
    help="""Move a run to another version of its workflow, where that version's graph lets it be as it is.

```sh
hephaestus migrate workflows.order:OrderFlow abc123
hephaestus migrate OrderFlow orderid::abc123 --to-version 3
```
""",
)
_command(
    "hephaestus_stream.cli.commands:cancel",
    name="cancel",
    group=_TALK,
    help="""End a run as cancelled, or all live ones that fit.

```sh
hephaestus cancel OrderFlow orderid::abc123 --reason 'customer asked'
hephaestus cancel --workflow OrderFlow --status waiting --started-to 30d --dry-run
```

Without an id the instances are counted first, and you are asked. What has begun meanwhile is left alone.
""",
)
_command(
    "hephaestus_stream.cli.steering:retry",
    name="retry",
    group=_STEER,
    help="""Let a failed run go on from the node that failed it, or a halted one from where it stands still.

```sh
hephaestus retry OrderFlow orderid::abc123 --reason 'the bank is back'
```

The failed step begins its next attempt, with its whole retry policy before it. What the failure interrupted begins
again, and waits go on with the time that they had left. A run that ended at a `Failed` node is not retried.
""",
)
_command(
    "hephaestus_stream.cli.steering:pause",
    name="pause",
    group=_STEER,
    help="""Let nothing new begin in a run: what runs ends, events are taken, and no timer fires.

```sh
hephaestus pause OrderFlow orderid::abc123 --reason stocktaking
```
""",
)
_command(
    "hephaestus_stream.cli.steering:continue_",
    name="continue",
    group=_STEER,
    help="""Let a paused run go on; what became due meanwhile happens now.

```sh
hephaestus continue OrderFlow orderid::abc123
```
""",
)
_command(
    "hephaestus_stream.cli.steering:skip",
    name="skip",
    group=_STEER,
    help="""End a node with an outcome of your own, in place of its step.

```sh
hephaestus skip workflows.order:OrderFlow abc123 charge.charged --payload '{"reference": "by-phone"}'
```

The node is one that is active, or the one that failed the run, which goes on then.
""",
)
_command(
    "hephaestus_stream.cli.steering:terminate",
    name="terminate",
    group=_STEER,
    help="""End a run as cancelled, and give the code of its steps no time to clean up.

```sh
hephaestus terminate OrderFlow orderid::abc123 --reason 'hangs'
```
""",
)
_command(
    "hephaestus_stream.cli.instances:get",
    name="get",
    group=_FIND,
    help="""Show one instance: its nodes with attempts and results, what it waits for, and until when.

```sh
hephaestus get workflows.order:OrderFlow abc123
hephaestus get OrderFlow orderid::abc123 --output json
```

The worker that owns it answers, from what it has committed; any worker knows which one that is. Code 6: there is none.
""",
)
_command(
    "hephaestus_stream.cli.instances:list_",
    name="list",
    group=_FIND,
    help="""List the instances that fit, newest first.

```sh
hephaestus list --status failed
hephaestus list OrderFlow --waiting-at review --started-from 2026-01-01T00:00:00Z --all
```
""",
)
_command(
    "hephaestus_stream.cli.instances:count",
    name="count",
    group=_FIND,
    help="""Count the instances that fit.

```sh
hephaestus count --by workflow --by status
hephaestus count OrderFlow --by node
```
""",
)
_command(
    "hephaestus_stream.cli.instances:history",
    name="history",
    group=_FIND,
    help="""Tell what has happened to an instance.

```sh
hephaestus history workflows.order:OrderFlow abc123
hephaestus history OrderFlow orderid::abc123 --follow
```
""",
)
_command(
    "hephaestus_stream.cli.tail:tail",
    name="tail",
    group=_FIND,
    help="""Tell of completions and failures of all instances, as they come, until Ctrl-C.

```sh
hephaestus tail
hephaestus tail OrderFlow --status failed --attempts --since 1h -o json
```
""",
)
_command(
    "hephaestus_stream.cli.replay:replay",
    name="replay",
    group=_TALK,
    help="""Replay an event log of real cases: one start per case, one event per later row, in the file's order.

```sh
hephaestus replay workflows.permit receipt.csv.gz
```

It waits for all answers and tells what came of them; the same file again has no further effect.
""",
)
_command(
    "hephaestus_stream.cli.check:check",
    name="check",
    usage="Usage: hephaestus check [OPTIONS] MODULES...",
    group=_LOOK,
    help="""Find everything that is wrong with the workflows of modules, as a compiler does; code 1 if anything is.

```sh
hephaestus check workflows
```
""",
)
_command(
    "hephaestus_stream.cli.graph:graph",
    name="graph",
    group=_LOOK,
    help="""Draw a workflow, in the terminal, as Mermaid or as SVG; for an instance, with the path that it took.

```sh
hephaestus graph workflows.order:OrderFlow
hephaestus graph workflows.order:OrderFlow --out order.svg
hephaestus graph workflows.order:OrderFlow --instance abc123
```
""",
)
_command(
    "hephaestus_stream.cli.docs:docs",
    name="docs",
    group=_LOOK,
    help="""Draw the workflows of a module into the docstrings of their classes, between two lines that stay.

```sh
hephaestus docs workflows
hephaestus docs workflows --check
```

With `--check` nothing is written, and the code is 1 if a drawing is missing or old.
""",
)

_command(
    "hephaestus_stream.cli.decrypt:decrypt",
    name="decrypt",
    group=_LOOK,
    help="""Show records of any topic with their encrypted payloads plain, with the keys of your settings.

```sh
kcat -b localhost:9092 -t hephaestus.step-results -e | hephaestus decrypt
```
""",
)


def _group_of_commands(name: str, *, group: Group, help: str) -> App:  # noqa: A002 - the word of cyclopts
    return App(
        name=name,
        group=group,
        help=help,
        group_commands=Group("Commands", sort_key=1),
        help_epilogue=WHERE_EXIT_CODES_ARE,
    )


topics = _group_of_commands("topics", group=_KAFKA, help="Create or check the topics of a namespace.")
topics.command(
    "hephaestus_stream.cli.topics:create",
    name="create",
    help="""Create the topics that are missing, and leave the others as they are.

```sh
hephaestus topics create --partitions 12 --replication-factor 3
```
""",
)
topics.command(
    "hephaestus_stream.cli.topics:check",
    name="check",
    help="""Compare the topics with what the engine needs; code 1 if anything differs.

```sh
hephaestus topics check --namespace orders
```
""",
)
app.command(topics)

positions = _group_of_commands("positions", group=_KAFKA, help="Mend the positions of closed partitions.")
positions.command(
    "hephaestus_stream.cli.positions:reset",
    name="reset",
    help="""Set positions that do not fit their topic to the nearest offset that it has.

A worker keeps a partition closed when commands were deleted before it read them, or when the topic was made anew; its
log names the range. This accepts the loss; restart the workers after it.

```sh
hephaestus positions reset --accept-loss --partition 3
```
""",
)
app.command(positions)

dlq = _group_of_commands("dlq", group=_TALK, help="Look at dead letters, and send them again.")
dlq.command(
    "hephaestus_stream.cli.dlq:list_letters",
    name="list",
    help="""List what could not be applied, the newest first.

```sh
hephaestus dlq list --reason unknown_workflow --since 2h
```
""",
)
dlq.command(
    "hephaestus_stream.cli.dlq:show_letter",
    name="show",
    help="""Show one: why it was put aside, and its key and value.

```sh
hephaestus dlq show 3:17
hephaestus dlq show 3:17 --raw > command.json
```
""",
)
dlq.command(
    "hephaestus_stream.cli.dlq:replay_letters",
    name="replay",
    usage="Usage: hephaestus dlq replay [OPTIONS] PLACES...",
    help="""Send the commands of dead letters again as they are, or mended, and tell how they are answered.

```sh
hephaestus dlq replay 3:17 4:2
hephaestus dlq replay 3:17 --value @mended.json
hephaestus dlq replay --all --reason unknown_workflow --since 1d
```

`--value` sends a mended command in the letter's place. A command keeps its id, so it takes
effect once, however often it is replayed. The letters stay where they are.
""",
)
app.command(dlq)

kafka = _group_of_commands("kafka", group=_KAFKA, help="Run a local Kafka, without Docker.")
kafka.command(
    "hephaestus_stream.cli.kafka:up",
    name="up",
    help="""Start the local Kafka of this folder; it runs on until `hephaestus kafka down`.

```sh
hephaestus kafka up --port 9092
```
""",
)
kafka.command("hephaestus_stream.cli.kafka:down", name="down", help="Stop the local Kafka and keep its data.")
kafka.command(
    "hephaestus_stream.cli.kafka:status",
    name="status",
    help="Tell whether the local Kafka runs; code 1 if it does not.",
)
app.command(kafka)

app.meta.suppress_keyboard_interrupt = False


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    debug: Annotated[
        bool,
        Parameter(
            group=_GENERAL,
            env_var="HEPHAESTUS_DEBUG",
            help="Show the whole traceback of a failure.",
            show_default=False,
        ),
    ] = False,
) -> int:
    """Runs a command; what it returns is the exit code."""
    # A command that sets up no log has none: Python would print every warning of a library.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        code: object = app(tokens)
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exception(error)
        raise
    return code if isinstance(code, int) else 0


def main() -> None:
    """Runs the command line of this process and ends it; a failure becomes one line and an exit code."""
    command = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None)
    code = _run()
    if command == "worker":
        code = code_of_worker(code)
    if command in {"worker", "dev"}:
        exit_soon(code)
    sys.exit(code)


def _run() -> int:
    try:
        code: int = app.meta()
        sys.stdout.flush()  # a reader that went away is heard of here, and not at Python's exit
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - nobody above this could do better
        return exit_code_of(error)
    except SystemExit as misuse:  # told already
        return misuse.code if isinstance(misuse.code, int) else 0
    return code
