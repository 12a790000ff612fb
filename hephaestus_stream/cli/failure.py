"""How a command fails: one line that says what, where and the way out, and an exit code that says which kind."""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from typing import Final

from cyclopts import CycloptsError
from rich.console import Console
from rich.text import Text

from hephaestus_stream.drawing.label import printable
from hephaestus_stream.errors import (
    AccessDeniedError,
    ApiRefusedError,
    ApiUnreachableError,
    BrokerRefusedError,
    BrokerUnreachableError,
    CommandError,
    CommandRefusedError,
    CommitFailedError,
    FencedError,
    HephaestusError,
    InvalidCursorError,
    InvalidKeyError,
    NoAnswerError,
    OutOfResourcesError,
    PartitionUnavailableError,
    RunNotFoundError,
    SettingsError,
    StoreFailedError,
    UsageError,
    WorkerCrashedError,
)


class ExitCode(IntEnum):
    """What the code of an ended process says; 0 is success."""

    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    NO_ANSWER = 5
    NOT_FOUND = 6
    RESTART = 75  # EX_TEMPFAIL of sysexits.h: try again later
    NO_RESTART = 78  # EX_CONFIG: a worker that has failed for good; a step may end its process with 0, 1 or 2
    INTERRUPTED = 130


SIGNALLED: Final = 128
"""The number of the signal that ended a process is added to this."""

EXIT_CODES_HELP: Final = (
    "Exit codes: **0** done, **1** failed, **2** wrong usage or settings, **3** refused by the engine, "
    "**4** no broker or worker reachable, or it refuses us, **5** no answer in time, **6** not found, **75** a worker "
    "that should be started again, **78** one that no restart mends, **130** Ctrl-C."
)

WHERE_EXIT_CODES_ARE: Final = "`hephaestus --help` says what the exit codes mean."

_CODES: Final[tuple[tuple[type[HephaestusError], ExitCode], ...]] = (
    (UsageError, ExitCode.USAGE),
    (SettingsError, ExitCode.USAGE),
    (InvalidKeyError, ExitCode.USAGE),
    (InvalidCursorError, ExitCode.USAGE),
    (RunNotFoundError, ExitCode.NOT_FOUND),
    (ApiUnreachableError, ExitCode.UNREACHABLE),
    (ApiRefusedError, ExitCode.UNREACHABLE),
    (PartitionUnavailableError, ExitCode.NO_ANSWER),
    (CommandRefusedError, ExitCode.REFUSED),
    (CommandError, ExitCode.REFUSED),
    (BrokerUnreachableError, ExitCode.UNREACHABLE),
    (BrokerRefusedError, ExitCode.UNREACHABLE),
    (AccessDeniedError, ExitCode.UNREACHABLE),
    (NoAnswerError, ExitCode.NO_ANSWER),
    (CommitFailedError, ExitCode.RESTART),
    (FencedError, ExitCode.RESTART),
    (OutOfResourcesError, ExitCode.RESTART),
    (StoreFailedError, ExitCode.RESTART),
    (WorkerCrashedError, ExitCode.RESTART),
)


def exit_code_of(error: BaseException) -> ExitCode:
    """Tells the user of a failure, and the code to exit with."""
    match error:
        case KeyboardInterrupt():
            tell("interrupted", style="yellow")
            return ExitCode.INTERRUPTED
        case BrokenPipeError():
            # `hephaestus graph … | head`: the reader has what it wanted. Python would complain at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ExitCode.FAILED
        case CommandRefusedError(reason="not_found"):
            tell(str(error))
            return ExitCode.NOT_FOUND
        case HephaestusError():
            tell(str(error))
            return code_of(error)
        case _:
            tell(f"unexpected {type(error).__name__}: {error} (the same command with --debug shows where)")
            return ExitCode.FAILED


def code_of(error: HephaestusError) -> ExitCode:
    """The code that says which kind of failure it is."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)


def code_of_worker(code: int) -> int:
    """The code of a process that was to be a worker: a failure that no restart mends has one that no step ends with."""
    return ExitCode.NO_RESTART if code in (ExitCode.FAILED, ExitCode.USAGE) else code


def tell(message: str, *, style: str = "bold red") -> None:
    """Writes a line to standard error, as it is: it may hold brackets, and a pipe's reader wants no line breaks."""
    label = "error: " if style == "bold red" else ""
    # What others said may be quoted in it.
    lines = "\n".join(printable(line) for line in message.split("\n"))
    Console(stderr=True, soft_wrap=True, highlight=False).print(Text(label, style) + Text(lines))


def tell_misuse(error: CycloptsError) -> Text:
    """What cyclopts says of wrong arguments, in the same form as every other failure."""
    return Text("error: ", "bold red") + Text(f"{error} Try --help.")
