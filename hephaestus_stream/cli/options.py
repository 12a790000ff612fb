"""Options that several commands have; what is not given stays with the environment, the file, or the default."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from hephaestus_stream.cli.local import local_worker, running_local_kafka
from hephaestus_stream.errors import UsageError
from hephaestus_stream.settings import Settings, load_settings

if TYPE_CHECKING:
    from hephaestus_stream.client import Client

_KAFKA = Group("Kafka", sort_key=10)
_WORKER = Group("Worker", sort_key=9)


@Parameter(name="*", group=_KAFKA)
@dataclass(frozen=True, kw_only=True)
class KafkaOptions:
    """How a command reaches the engine."""

    bootstrap: Annotated[
        str | None, Parameter(alias="-b", help="`host:port` of Kafka, several with commas. Env: HEPHAESTUS_BOOTSTRAP.")
    ] = None
    namespace: Annotated[
        str | None, Parameter(alias="-n", help="The prefix of all topics. Env: HEPHAESTUS_NAMESPACE.")
    ] = None
    kafka: Annotated[
        tuple[str, ...],
        Parameter(name=("--kafka", "-X"), show_default=False, help="A raw option, as `-X security.protocol=SSL`."),
    ] = ()

    def settings(self, **more: object) -> Settings:
        """The settings with what was given here; those that are None count as not given.

        Without any address, the local Kafka of this folder is the one that is meant, if it runs.

        Raises:
            SettingsError: A setting is unknown or has a bad value.
            UsageError: A raw option is not of the form `name=value`.
        """
        given = {"bootstrap": self.bootstrap, "namespace": self.namespace, "kafka": self._raw_options(), **more}
        known = {name: value for name, value in given.items() if value is not None}
        settings = load_settings(**known)
        if "bootstrap" not in settings.model_fields_set:
            local = running_local_kafka()
            if local is not None:
                return load_settings(**known, bootstrap=local.bootstrap)
        return settings

    def _raw_options(self) -> dict[str, str] | None:
        for option in self.kafka:
            name, separator, _ = option.partition("=")
            if not name or not separator:
                # Only what can be a name: the rest may be a password.
                shown = "".join(takewhile(_is_of_a_name, option)) or "…"
                raise UsageError(f"'-X {shown}' is no option: write -X name=value, as -X security.protocol=SSL")
            if name == "bootstrap.servers":
                raise UsageError("-X bootstrap.servers is without effect: say it with --bootstrap")
        return {name: value for name, _, value in (option.partition("=") for option in self.kafka)} or None


@Parameter(name="*", group=Group("Workers", sort_key=10))
@dataclass(frozen=True, kw_only=True)
class ApiAddress:
    """Where workers answer over HTTP."""

    api: Annotated[
        str | None, Parameter(help="`http://host:port` of a worker, several with commas. Env: HEPHAESTUS_API.")
    ] = None
    api_token_file: Annotated[
        Path | None, Parameter(help="A file with the token that they want. Env: HEPHAESTUS_API_TOKEN_FILE.")
    ] = None

    def given(self) -> dict[str, object]:
        """What was given, for `load_settings` and `KafkaOptions.settings`; or where the worker of this folder is."""
        given: dict[str, object] = {"api": self.api, "api_token_file": self.api_token_file}
        if self.api is None and "api" not in load_settings().model_fields_set:
            given["api"] = local_worker()
        return given


@Parameter(name="*", group=Group("Workers", sort_key=10))
@dataclass(frozen=True, kw_only=True)
class ApiOptions(ApiAddress):
    """How a command reaches the workers over HTTP, which needs nothing else."""

    namespace: Annotated[
        str | None, Parameter(alias="-n", help="Of the workers that are meant. Env: HEPHAESTUS_NAMESPACE.")
    ] = None

    def client(self) -> Client:
        """A client for those who only read: it is not opened, which would ask for a broker."""
        # Most commands need none, which takes a third of a second to import.
        from hephaestus_stream.client import Client  # noqa: PLC0415 - as above

        given = {**self.given(), "namespace": self.namespace}
        settings = load_settings(**{name: value for name, value in given.items() if value is not None})
        return Client(
            settings.connection,
            keys=settings.keys(),
            api=settings.api,
            api_token=settings.token_for_api(),
            via="http",
        )


def _option(setting: str, help: str) -> Parameter:  # noqa: A002 - the word of cyclopts
    """An option that the settings answer where it is not given; the help shows their default."""
    default = str(Settings.model_fields[setting].default)
    return Parameter(help=f"{help} Unless set: {default.lower()}.")


@Parameter(name="*", group=_WORKER)
@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """How much a worker does, and what it tells."""

    concurrency: Annotated[int | None, _option("concurrency", "Async steps at once.")] = None
    threads: Annotated[int | None, _option("threads", "Blocking steps at once.")] = None
    processes: Annotated[
        int | None, Parameter(help="Steps in processes at once; as many as there are processors unless set.")
    ] = None
    data: Annotated[Path | None, _option("data", "The folder of its databases; they can be rebuilt from Kafka.")] = None
    standbys: Annotated[
        int | None, _option("standbys", "Workers that keep a copy of each partition, for a quick takeover.")
    ] = None
    http: Annotated[
        str | None, Parameter(help="`host:port` on which it serves HTTP, or `off`. Env: HEPHAESTUS_HTTP.")
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, _option("log_level", "From which level on it logs.")
    ] = None
    log_format: Annotated[
        Literal["text", "json"] | None, _option("log_format", "Lines for people, or one JSON object a line.")
    ] = None

    def given(self) -> dict[str, object]:
        """What was given, for `KafkaOptions.settings`."""
        return {
            "concurrency": self.concurrency,
            "threads": self.threads,
            "processes": self.processes,
            "data": self.data,
            "http": self.http,
            "standbys": self.standbys,
            "log_level": self.log_level,
            "log_format": self.log_format,
        }


def _is_of_a_name(character: str) -> bool:
    return character.isalnum() or character == "."


KAFKA_DEFAULTS = KafkaOptions()
WORKER_DEFAULTS = WorkerOptions()
API_DEFAULTS = ApiOptions()
ADDRESS_DEFAULTS = ApiAddress()
