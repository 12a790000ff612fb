"""The settings of worker, client and command line: arguments, then the environment, then a file, then defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hephaestus_stream.core.limits import LONGEST_RETENTION
from hephaestus_stream.encryption.cipher import NO_KEYS, Cipher
from hephaestus_stream.encryption.configured import keyring_of, provider_named
from hephaestus_stream.encryption.key import KeyProvider
from hephaestus_stream.errors import SettingsError
from hephaestus_stream.settings_sources import PREFIX, EnvironmentSource, FileSource, is_shown, origin_of, unknown
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.token import Tokens, token_of
from hephaestus_stream.wire.topics import DEFAULT_NAMESPACE

_MOST_PARTITIONS: Final = 10_000
# Kafka's limit for a topic is 249, and the longest of the engine's own names follows.
_MOST_NAMESPACE: Final = 200
# When an answer expires is reckoned from it, and must be a date.
_LONGEST_COMMAND_RETENTION: Final = timedelta(days=365)
HTTP_ADDRESS: Final = "127.0.0.1:7430"
OFF: Final = "off"
_TOKENS: Final = ("http_read_token", "http_operate_token", "api_token")
_HIGHEST_PORT: Final = 65_535
_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+):[0-9]{1,5}")


def _seconds(value: object) -> object:
    """A number in text, as the environment has it, as seconds, which numbers in files are as well."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Duration = Annotated[timedelta, BeforeValidator(_seconds), Field(gt=timedelta(0))]
DurationOrZero = Annotated[timedelta, BeforeValidator(_seconds), Field(ge=timedelta(0))]


def _addresses(bootstrap: str) -> str:
    for address in bootstrap.split(","):
        if _ADDRESS.fullmatch(address.strip()) is None:
            raise ValueError(f"{address.strip()!r} is no address: write host:port, several separated by commas")
        _require_port(address)
    return bootstrap


def _require_port(address: str) -> None:
    if int(address.rpartition(":")[2]) > _HIGHEST_PORT:
        raise ValueError(f"{address.strip()!r} has no port: they end at {_HIGHEST_PORT}")


def _listener(address: str) -> str:
    if address == OFF:
        return address
    if _ADDRESS.fullmatch(address) is None:
        raise ValueError(f"{address!r} is no address to listen on: write host:port, as 127.0.0.1:8080, or off")
    _require_port(address)
    return address


def _url(url: str) -> str:
    if re.fullmatch(rf"https?://{_ADDRESS.pattern}", url) is None:
        raise ValueError(f"{url!r} is no address of a worker: write http://host:port")
    _require_port(url)
    return url


def _urls(urls: str) -> str:
    return ",".join(_url(url.strip().rstrip("/")) for url in urls.split(","))


def _namespace(namespace: str) -> str:
    if re.fullmatch(rf"[A-Za-z0-9._-]{{1,{_MOST_NAMESPACE}}}", namespace) is None or namespace in {".", ".."}:
        raise ValueError(
            f"a namespace is the beginning of topics' names: write letters, digits, '.', '_' and '-', not {namespace!r}"
        )
    return namespace


def _replication(factor: int) -> int:
    if factor != -1 and factor < 1:
        raise ValueError(f"{factor} is no number of brokers: write 1 or more, or -1 for the cluster's own default")
    return factor


def _command_retention(retention: timedelta) -> timedelta:
    if retention > _LONGEST_COMMAND_RETENTION:
        most = _LONGEST_COMMAND_RETENTION.days
        raise ValueError(f"{retention} is too long: answers are kept for {most} days at most")
    return retention


def _retention(retention: timedelta) -> timedelta:
    if retention > LONGEST_RETENTION:
        raise ValueError(f"{retention} is too long: runs are kept for {LONGEST_RETENTION.days} days at most")
    return retention


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _flat(value: object) -> object:
    """The options by their full names: TOML reads `security.protocol = "SSL"` as a table in a table."""
    if not isinstance(value, Mapping):
        return value
    flat: dict[str, object] = {}
    for name, entry in cast("Mapping[str, object]", value).items():
        inner = _flat(entry)
        if isinstance(inner, Mapping):
            flat |= {f"{name}.{rest}": option for rest, option in cast("Mapping[str, object]", inner).items()}
        else:
            flat[name] = str(inner).lower() if isinstance(inner, bool) else inner
    return flat


class Settings(BaseSettings):
    """Everything that can be set; made by `load_settings`.

    Each setting is an environment variable `HEPHAESTUS_...` as well, and a key of `hephaestus.toml`, or of
    `[tool.hephaestus]` in `pyproject.toml`; durations are seconds, or text such as `PT10S`.

    Attributes:
        bootstrap: The address of Kafka: `host:port`, several separated by commas.
        namespace: The prefix of all topics, and of the group: one namespace is one engine.
        partitions: How many partitions each topic has; None takes what `state` has, and 12 for new topics.
        replication_factor: How many brokers hold each topic; -1 is the cluster's own default.
        data: Where the worker keeps its databases.
        concurrency: How many steps a worker runs at once, and a tenth on top for kinds that find all places taken.
        threads: How many blocking steps besides, and a tenth on top as well.
        processes: How many steps with `runner = "process"` besides; the processors' number unless it is set.
        standbys: How many workers keep a copy of each partition that another one owns; 0 turns copies off.
        session_timeout: When the group takes a worker that is silent for dead.
        grace: What running steps get when a worker stops.
        stop_grace: What a step gets that is asked to stop: its process is killed then, its thread is left behind.
        retention: How long a finished run is kept, and with it what its workflow's `reuse` says of its key; a workflow
            may say otherwise by `retention=`.
        command_retention: For how long a repeated command is known, a year at most.
        kafka: Options of librdkafka by their own names; as JSON in the environment. They may hold passwords, so that
            they are never shown; better, `sasl.password.file` names the file that holds it.
        encryption_keys: Keys of 32 bytes in base64 by their ids, to encrypt payloads with; never shown.
        encryption_keys_file: A file with such keys, as a JSON object.
        encryption_key_id: Which of them is the current one, where there are several; the others are for reading.
        encryption_provider: Where keys come from instead, as `module:attribute` of a `KeyProvider`.
        encryption_required: Whether the worker refuses commands whose payload is plain.
        encryption_of_errors: Whether the texts of exceptions are encrypted as well, which may quote payloads.
        http: Where the worker serves HTTP: `host:port`, or `off`. Unless set, a worker that finds the address taken, by
            another one of this machine, takes any that is free.
        http_url: How other workers reach that, as `http://10.0.0.7:7430`; made of the address unless set.
        http_read_token: What whoever reads over HTTP must show, as `Authorization: Bearer ...`; never shown.
        http_operate_token: The same for those who send commands; it reads, too. Both are the same on all workers.
        http_read_token_file: A file with it instead.
        http_operate_token_file: A file with it instead.
        http_open: Whether an address that others reach is served without any token.
        api: Where clients and commands find the HTTP of workers: `http://host:port`, several separated by commas.
        api_token: The token to show there; never shown.
        api_token_file: A file with it instead.
        via: How clients and commands send: by `kafka`, or by `http` where they reach no Kafka.
        log_level: From which level on the worker logs.
        log_format: What a line of its log is: `text` for people, or `json`, one object a line, for machines.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, coerce_numbers_to_str=True, validate_default=False
    )

    bootstrap: Annotated[str, AfterValidator(_addresses)] = "localhost:9092"
    namespace: Annotated[str, AfterValidator(_namespace)] = DEFAULT_NAMESPACE
    partitions: Annotated[int, Field(ge=1, le=_MOST_PARTITIONS)] | None = None
    replication_factor: Annotated[int, AfterValidator(_replication)] = -1
    data: Path = Path(".hephaestus")
    concurrency: Annotated[int, Field(ge=1)] = 1000
    threads: Annotated[int, Field(ge=1)] = 32
    processes: Annotated[int, Field(ge=1)] = os.cpu_count() or 1
    standbys: Annotated[int, Field(ge=0)] = 1
    session_timeout: Duration = timedelta(seconds=10)
    grace: DurationOrZero = timedelta(seconds=10)
    stop_grace: DurationOrZero = timedelta(seconds=10)
    retention: Annotated[Duration, AfterValidator(_retention)] = timedelta(days=7)
    command_retention: Annotated[Duration, AfterValidator(_command_retention)] = timedelta(days=7)
    kafka: Annotated[dict[str, str], BeforeValidator(_flat), Field(repr=False, exclude=True)] = {}
    encryption_keys: Annotated[dict[str, str], BeforeValidator(_flat), Field(repr=False, exclude=True)] = {}
    encryption_keys_file: Path | None = None
    encryption_key_id: str | None = None
    encryption_provider: str | None = None
    encryption_required: bool = False
    encryption_of_errors: bool = True
    http: Annotated[str, AfterValidator(_listener)] = HTTP_ADDRESS
    http_url: Annotated[str, AfterValidator(_url)] | None = None
    http_read_token: Annotated[SecretStr | None, Field(repr=False, exclude=True)] = None
    http_operate_token: Annotated[SecretStr | None, Field(repr=False, exclude=True)] = None
    http_read_token_file: Path | None = None
    http_operate_token_file: Path | None = None
    http_open: bool = False
    api: Annotated[str, AfterValidator(_urls)] = f"http://{HTTP_ADDRESS}"
    api_token: Annotated[SecretStr | None, Field(repr=False, exclude=True)] = None
    api_token_file: Path | None = None
    via: Literal["kafka", "http"] = "kafka"
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)] = "INFO"
    log_format: Literal["text", "json"] = "text"

    def http_tokens(self) -> Tokens:
        """What whoever asks over HTTP must show.

        Raises:
            SettingsError: A file cannot be read, or a token will not do.
        """
        return Tokens(
            read=token_of("http_read_token", self.http_read_token, self.http_read_token_file),
            operate=token_of("http_operate_token", self.http_operate_token, self.http_operate_token_file),
        )

    def token_for_api(self) -> str | None:
        """What a client shows; raises as `http_tokens` does."""
        return token_of("api_token", self.api_token, self.api_token_file)

    @property
    def connection(self) -> Connection:
        """How to reach the cluster."""
        return Connection(self.bootstrap, self.namespace, MappingProxyType(self.kafka))

    def keys(self) -> KeyProvider | None:
        """Where the keys of payloads come from; None where nothing is encrypted.

        Raises:
            SettingsError: They are wrong, or there are none and `encryption_required` is set.
        """
        provider = self._provider()
        if provider is None and self.encryption_required:
            raise SettingsError("encryption_required is set, and there are no keys: set encryption_keys_file")
        return provider

    def _provider(self) -> KeyProvider | None:
        if self.encryption_provider is None:
            return keyring_of(self.encryption_keys, file=self.encryption_keys_file, current=self.encryption_key_id)
        settings = ("encryption_keys_file", "encryption_keys", "encryption_key_id")
        beside = [name for name in settings if getattr(self, name)]
        if beside:
            raise SettingsError(
                f"encryption_provider gives all keys, and {beside[0]} beside it would be without effect: leave one out"
            )
        return provider_named(self.encryption_provider)

    def cipher(self, *, holder: str = "the worker") -> Cipher:
        """What payloads are sealed and opened with; raises as `keys` does.

        Args:
            holder: Who has the keys, as errors name it.
        """
        provider = self.keys()
        if provider is None:
            return NO_KEYS
        return Cipher(
            provider, required=self.encryption_required, seals_errors=self.encryption_of_errors, holder=holder
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings passes all of them
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources, the first of which counts."""
        return init_settings, EnvironmentSource(settings_cls), FileSource(settings_cls)


def load_settings(**overrides: object) -> Settings:
    """The settings, with these in place of what the environment or a file says.

    Raises:
        SettingsError: A setting is unknown or has a bad value; one line each, with its source.
    """
    strange = [name for name in overrides if name not in Settings.model_fields]
    if strange:
        raise SettingsError(unknown(strange[0], Settings, source="the arguments"))
    for name in _TOKENS:
        # What is given in one form is meant in place of the other form of an environment.
        given = {name, f"{name}_file"}.intersection(overrides)
        if len(given) == 1:
            overrides |= dict.fromkeys({name, f"{name}_file"} - given)
    try:
        return Settings(**cast("dict[str, Any]", overrides))
    except ValidationError as error:
        problems = [_problem(detail, overrides) for detail in error.errors(include_url=False)]
        raise SettingsError("\n".join(dict.fromkeys(problems))) from None


def _problem(detail: ErrorDetails, overrides: Mapping[str, object]) -> str:
    name = str(detail["loc"][0])
    source = "the arguments" if name in overrides else origin_of(name, Settings)
    # Our own sentences name the value by themselves.
    is_named = detail["type"] == "value_error" or not is_shown(name)
    shown = "" if is_named else f"{detail['input']!r} will not do: "
    return f"{name} in {source}: {shown}{detail['msg'].removeprefix('Value error, ')}"
