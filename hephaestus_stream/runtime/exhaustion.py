"""What it means when the system refuses a worker threads, open files or disk space; each library says it in its way."""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from hephaestus_stream.errors import HephaestusError, OutOfResourcesError

_NOTHING_IS_LOST: Final = "what was committed is in Kafka"
_NO_DISK: Final = (
    f"the disk is full ({{error}}): free space there, or name a folder on a larger disk with the setting `data`; "
    f"{_NOTHING_IS_LOST}"
)
_NO_THREADS: Final = (
    f"the system gives this worker no more threads ({{error}}): raise its limit (`ulimit -u`, `TasksMax=` of systemd, "
    f"`pids` of a container; about 5 for each partition and 1 for each blocking step), or start more workers that "
    f"share the partitions; {_NOTHING_IS_LOST}"
)
_NO_FILES: Final = (
    f"the system gives this worker no more open files ({{error}}): raise its limit (`ulimit -n`, `LimitNOFILE=` of "
    f"systemd; 300 for each partition are plenty); {_NOTHING_IS_LOST}"
)
_BY_ERRNO: Final = {
    errno.ENOSPC: _NO_DISK,
    errno.EDQUOT: _NO_DISK,
    errno.EMFILE: _NO_FILES,
    errno.ENFILE: _NO_FILES,
}
# Errors of RocksDB and of librdkafka reach Python with a text only, which ends with the system's own words.
_BY_TEXT: Final = (
    ("No space left on device", _NO_DISK),
    ("Disk quota exceeded", _NO_DISK),
    ("can't start new thread", _NO_THREADS),
    ("Failed to create thread", _NO_THREADS),
    ("Too many open files", _NO_FILES),
)


def exhaustion_of(error: BaseException) -> OutOfResourcesError | None:
    """The error that says which limit was met and the way out, where that is what an error means."""
    sentence = _BY_ERRNO.get(error.errno or 0) if isinstance(error, OSError) else None
    text = _text_of(error)
    sentence = sentence or next((sentence for words, sentence in _BY_TEXT if words in text), None)
    return None if sentence is None else OutOfResourcesError(sentence.format(error=text))


@contextmanager
def explained() -> Generator[None]:
    """Says of whatever leaves the block in other words that a limit was met, where that is what it means.

    Raises:
        OutOfResourcesError: That is what it means.
    """
    try:
        yield
    except HephaestusError:
        raise
    except Exception as error:
        exhaustion = exhaustion_of(error)
        if exhaustion is None:
            raise
        raise exhaustion from error


def _text_of(error: BaseException) -> str:
    if isinstance(error, KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        return error.args[0].str()
    return str(error)
