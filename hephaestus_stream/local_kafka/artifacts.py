"""The jars of the pinned Kafka: resolved once from a Maven repository, then taken from a cache folder."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from hephaestus_stream.errors import ArtifactsUnavailableError

if TYPE_CHECKING:
    # jgo is in the extra `local`; nothing here may need it before a download does.
    from jgo.maven import Dependency

KAFKA_VERSION = "4.4.0"

# Kafka's own jars bring no logging backend. This one is 15 kB and writes to standard error, that is to the log file.
_COORDINATES = (("org.apache.kafka", "kafka_2.13", KAFKA_VERSION), ("org.slf4j", "slf4j-simple", "1.7.36"))
_TIMEOUT_SECONDS = 30
_CONNECTIONS = 8

Progress: TypeAlias = Callable[[str], None]


def silent(_message: str) -> None:
    """The progress hook of a caller who gave none."""


def default_cache() -> Path:
    """The cache folder of this library, by the XDG convention."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hephaestus-stream"


class KafkaArtifacts:
    """The jars of one Kafka version in a cache folder.

    The folder of a version appears by one rename when it is complete: an interrupted download leaves nothing that a
    later start could take for a jar, two processes may resolve at the same moment, and a complete folder needs neither
    the network nor jgo.

    Attributes:
        cache: Where the folders of the versions lie.
        repositories: Maven repositories by name. Without it those of the user's jgo settings and Maven Central count;
            a repository named `central` there replaces Maven Central, as a mirror should.
        local_repository: A Maven repository of this machine that is read first, by default `~/.m2/repository`.
    """

    def __init__(
        self,
        cache: Path | None = None,
        *,
        repositories: Mapping[str, str] | None = None,
        local_repository: Path | None = None,
    ) -> None:
        self.cache = cache or default_cache()
        self.repositories = repositories
        self.local_repository = local_repository

    @property
    def folder(self) -> Path:
        """The folder that holds the jars once they are resolved."""
        return self.cache / f"kafka-{KAFKA_VERSION}"

    def jars(self, on_progress: Progress = silent) -> Path:
        """The folder of the jars, resolved now if this is the first time.

        Raises:
            ArtifactsUnavailableError: The jars are not cached and could not be resolved.
        """
        if not self.folder.is_dir():
            on_progress(f"resolving Kafka {KAFKA_VERSION} (first time: about 45 MB)…")
            self._resolve()
        return self.folder

    def _resolve(self) -> None:
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="resolving-", dir=self.cache) as staging:
                self._publish(self._downloads(Path(staging) / "repository"), Path(staging) / "jars")
        except ImportError:
            raise _unavailable("the package jgo is missing; pip install 'hephaestus-stream[local]'") from None
        except (OSError, RuntimeError, ValueError, SyntaxError) as error:
            # jgo lets the errors of requests (OSError) and of the XML parser (SyntaxError) through as they are.
            reason = (str(error).splitlines() or [""])[0][:300]
            raise _unavailable(f"{type(error).__name__}: {reason}") from None

    def _downloads(self, staging: Path) -> list[Path]:
        from jgo.config import GlobalSettings  # noqa: PLC0415  # see the top
        from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
        from jgo.maven import MavenContext  # noqa: PLC0415
        from jgo.parse import Coordinate  # noqa: PLC0415

        settings = GlobalSettings.load()
        repositories = self.repositories or {"central": MAVEN_CENTRAL_URL, **settings.repositories}
        maven = MavenContext(
            repo_cache=staging,
            local_repos=[self.local_repository or settings.repo_cache],
            remote_repos=dict(repositories),
            timeout=_TIMEOUT_SECONDS,
        )
        wanted = [
            maven.create_dependency(Coordinate(groupId=group, artifactId=name, version=version, scope="compile"))
            for group, name, version in _COORDINATES
        ]
        direct, transitive = maven.resolver.resolve(wanted)
        with ThreadPoolExecutor(_CONNECTIONS) as connections:
            return list(connections.map(_jar, [*direct, *transitive]))

    def _publish(self, jars: list[Path], staging: Path) -> None:
        staging.mkdir()
        for jar in jars:
            if not zipfile.is_zipfile(jar):  # looks at the end of the file, so a cut download shows
                raise ValueError(f"{jar} is damaged; delete it and try again")
            shutil.copy2(jar, staging)
        try:
            staging.rename(self.folder)
        except OSError:
            if not self.folder.is_dir():  # else another process was faster, with the same jars
                raise


def _jar(dependency: Dependency) -> Path:
    return dependency.artifact.resolve()


def _unavailable(reason: str) -> ArtifactsUnavailableError:
    return ArtifactsUnavailableError(
        f"The jars of Kafka {KAFKA_VERSION} are not cached and could not be resolved ({reason}). "
        "The first start needs the network to Maven Central, or a mirror: the line `central = URL` under "
        "`[repositories]` in jgo's settings file ~/.config/jgo.conf. "
        "Or use a Kafka that runs already: point HEPHAESTUS_BOOTSTRAP at it."
    )
