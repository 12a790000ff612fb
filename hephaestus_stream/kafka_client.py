"""What all clients of librdkafka share, those of programs and those of workers: patience, its log and its errors."""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka.admin import AdminClient

from hephaestus_stream.errors import AccessDeniedError, BrokerRefusedError, BrokerUnreachableError, SettingsError
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics

RecordT = TypeVar("RecordT")

PATIENCE: Final = timedelta(seconds=8)
ELECTION: Final = timedelta(seconds=30)
"""How long a partition's leader or a group's coordinator is waited for, while another broker takes over from a dead
one: that begins when the dead one's session is over, after about ten seconds."""

# A broker that can be reached has answered by then; it is time to ask why none does.
FIRST_PATIENCE: Final = timedelta(seconds=1)
_SLICE_SECONDS: Final = 0.2
# With several brokers the next one may let us in that the first refuses, and one that restarts hangs up for a moment.
_REFUSED_SECONDS: Final = 1.0
_HUNG_UP_SECONDS: Final = 3.0

# librdkafka's own lines, such as each refused connection; they go where the program's lines go.
LIBRDKAFKA_LOG: Final = logging.getLogger("hephaestus_stream.librdkafka")
# Without a handler anywhere Python writes them to stderr, hundreds while a broker is away.
LIBRDKAFKA_LOG.addHandler(logging.NullHandler())

DENIED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
# "sasl_ssl://one:9092/bootstrap: what happened (after 302ms in state AUTH_REQ)"
_LINE: Final = re.compile(r"(?:\w+://)?(?P<address>[^/\s]+)/\S+: (?P<what>.*?)(?: \(after \d+ms in state \w+\))?")


class Ear:
    """What one client hears besides the answers to its questions: librdkafka's `error_cb` and `logger`.

    Attributes:
        refusal: Why a broker does not let this client in.
        hung_up: How a broker ended a connection without a word, as it does with a client of another protocol.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.refusal: BrokerRefusedError | None = None
        self.hung_up: BrokerRefusedError | None = None

    def hear(self, error: KafkaError) -> None:
        """Takes note of an error, as `error_cb`."""
        if is_refusal(error):
            self.refusal = self._refused(
                error.str(), _verdict(error, self._connection), _remedy(error, self._connection)
            )

    def log(self, level: int, message: str, *arguments: object) -> None:
        """Takes note of a line, as `logger`; the lines are shown at DEBUG, since the error tells them once."""
        line = str(arguments[-1]) if arguments else message
        if "Disconnected" in line and ("APIVERSION_QUERY" in line or "state UP" in line):
            protocol = self._connection.security.protocol
            self.hung_up = self._refused(
                line.rpartition("]: ")[2],
                "the Kafka broker at ADDRESS hung up",
                f"does the broker speak security.protocol={protocol} at this address, or TLS, or SASL?",
            )
        LIBRDKAFKA_LOG.log(min(level, logging.DEBUG), message, *arguments)

    def _refused(self, told: str, verdict: str, remedy: str) -> BrokerRefusedError:
        found = _LINE.fullmatch(told)
        address, what = (found["address"], found["what"]) if found else (self._connection.bootstrap, told)
        return BrokerRefusedError(
            f"{verdict.replace('ADDRESS', address, 1)}: {what.removeprefix('SSL handshake failed: ')}: {remedy}"
        )


def require_broker(connection: Connection, *, patience: timedelta = timedelta(seconds=5)) -> None:
    """Returns as soon as a broker answers; asks with a client of its own, and blocks.

    Raises:
        BrokerRefusedError: One refuses what the connection shows of itself, or speaks another protocol.
        BrokerUnreachableError: None answered in time.
        SettingsError: librdkafka refuses an option of the connection.
    """
    ear = Ear(connection)
    settings: dict[str, Any] = {**connection.librdkafka(), "error_cb": ear.hear, "logger": ear}
    with wrong_options():
        client = AdminClient(settings)
    begin = time.monotonic()
    while True:
        try:
            client.list_topics(Topics(connection.namespace).state, _SLICE_SECONDS)
        except KafkaException as failure:
            reason = kafka_error(failure).str()
        else:
            return
        client.poll(0)
        elapsed = time.monotonic() - begin
        if ear.refusal is not None and elapsed >= _REFUSED_SECONDS:
            raise ear.refusal
        if ear.hung_up is not None and elapsed >= _HUNG_UP_SECONDS:
            raise ear.hung_up
        if elapsed >= patience.total_seconds():
            raise unreachable(connection, within=patience, reason=reason)


def quiet(settings: Mapping[str, str | float | bool]) -> dict[str, Any]:
    """The settings of a client whose failed questions tell all that matters: what it says besides is but logged."""
    return {**settings, "error_cb": _pass_over, "logger": LIBRDKAFKA_LOG}


def _pass_over(_error: KafkaError) -> None:
    """Librdkafka repairs by itself what it tells here, or lets a question fail."""


def is_refusal(error: KafkaError) -> bool:
    """Whether a broker does not let a client in, or the client does not trust it."""
    if error.code() in {KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED}:  # noqa: SLF001 - librdkafka's own errors are spelled with an underscore
        return True
    return "SSL handshake failed" in error.str() or "tls alert" in error.str()


def unreachable(
    connection: Connection, *, within: timedelta = PATIENCE, reason: str | None = None
) -> BrokerUnreachableError:
    """The error that names the address and the way out."""
    because = "" if reason is None else f" ({reason})"
    return BrokerUnreachableError(
        f"no Kafka broker answers at {connection.bootstrap} within {within.total_seconds():g} s{because}: is it "
        f"running (`hephaestus dev` starts one), and are the address and `security.protocol` right?"
    )


def leaderless(connection: Connection, what: str, error: KafkaError) -> BrokerUnreachableError:
    """The error for a question that the leader of a partition, or a coordinator, has not answered all along."""
    return BrokerUnreachableError(
        f"{what} is answered by none of the brokers at {connection.bootstrap} for {ELECTION.total_seconds():g} s "
        f"({error.str()}): do enough of them run to elect a leader?"
    )


def denied(connection: Connection, error: KafkaError, *, right: str) -> AccessDeniedError:
    """The error that names the right that is missing, as in `Read on topic orders.state`."""
    return AccessDeniedError(
        f"{connection.security.identity} lacks the right {right} ({error.str()}): docs/security.md has all rights that "
        "are needed, and the commands that give them"
    )


def kafka_error(failure: KafkaException) -> KafkaError:
    """The error inside librdkafka's exception."""
    error: object = failure.args[0]
    # Every KafkaException of the clients carries one; the type of `args` does not say so.
    assert isinstance(error, KafkaError)  # noqa: S101 - narrows a type
    return error


def serve(call: Callable[[float], int], seconds: float, *, hear: Callable[[KafkaError], None]) -> int:
    """Lets a producer call back by its `poll` or `flush`, and hears of the error that ends it.

    Of a fatal error the binding does not call `error_cb`: it raises it, once, from whatever call happens to serve the
    callbacks, as a `KafkaException` or as a `SystemError` that has it as its cause, or has lost it.

    Args:
        call: The producer's `poll` or `flush`.
        seconds: How long it may take.
        hear: Told of the fatal error.

    Returns:
        What the call returns; zero where it was broken off.
    """
    try:
        return call(seconds)
    except KafkaException as failure:
        hear(kafka_error(failure))
    except SystemError as failure:
        if isinstance(failure.__cause__, KafkaException):
            hear(kafka_error(failure.__cause__))
        elif failure.__cause__ is None:
            hear(KafkaError(KafkaError._FATAL, str(failure), fatal=True))  # noqa: SLF001 - as above
        else:
            raise
    return 0


class DeliveryReports(Generic[RecordT]):
    """What a producer reports of its records, kept until its `poll` or `flush` is over.

    The binding goes on calling back while the error that ends the producer is set in the thread. The first function of
    C that a callback calls then raises a `SystemError`, with its effect done: a lock that was taken so is never given
    back. So callbacks append, and no more.
    """

    def __init__(self) -> None:
        self._reports: deque[tuple[RecordT, KafkaError | None, Message]] = deque()

    def of(self, record: RecordT) -> Callable[[KafkaError | None, Message], None]:
        """The `on_delivery` for a record."""
        append = self._reports.append
        return lambda error, message: append((record, error, message))

    def taken(self) -> Iterator[tuple[RecordT, KafkaError | None, Message]]:
        """Takes out those that have come."""
        with suppress(IndexError):  # several threads may ask
            while True:
                yield self._reports.popleft()


@contextmanager
def wrong_options() -> Generator[None]:
    """Says a refused option of librdkafka in our words."""
    try:
        yield
    except KafkaException as failure:
        reason = kafka_error(failure).str()
        hint = "; is ssl.key.password right?" if "ssl.key.location failed" in reason else ""
        raise SettingsError(f"an option of the Kafka connection is wrong: {reason}{hint}") from failure


def _verdict(error: KafkaError, connection: Connection) -> str:
    """Who refused whom: a broker that does not understand or convince us has not asked who we are."""
    told = error.str()
    if "SSL handshake failed" in told and "tls alert" not in told:
        return "the TLS handshake with the Kafka broker at ADDRESS failed"
    return f"the Kafka broker at ADDRESS does not let {connection.security.identity} in"


def _remedy(error: KafkaError, connection: Connection) -> str:
    told = error.str()
    if "certificate verify failed" in told:
        return "does ssl.ca.location name the authority of its certificate, and the certificate the broker's host?"
    if "tls alert" in told:
        return "are ssl.certificate.location and ssl.key.location a certificate that the broker trusts?"
    if "PLAINTEXT broker listener" in told:
        return f"is security.protocol={connection.security.protocol} right for this address?"
    if "handshake" in told:
        security = connection.security
        return f"are security.protocol={security.protocol} and sasl.mechanism={security.mechanism} right here?"
    return "are sasl.username and sasl.password right?"
