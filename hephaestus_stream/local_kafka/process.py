"""The Java processes of Kafka: the one that formats the storage, and the broker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hephaestus_stream.errors import LocalKafkaError
from hephaestus_stream.local_kafka.folder import BrokerFolder
from hephaestus_stream.local_kafka.java import Java
from hephaestus_stream.local_kafka.locks import exclusive, is_held
from hephaestus_stream.local_kafka.properties import Node, rendered, server_properties

_COLLECTOR = "-XX:+UseSerialGC"
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
)
_WRITE_PID_THEN_RUN = ("/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"')
_KILL_PATIENCE = timedelta(seconds=10)
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class KafkaCommand:
    """How to run a main class of Kafka.

    Attributes:
        java: The Java runtime.
        jars: The folder of Kafka's jars.
        heap: The most memory for Java's objects, as Java's option has it.
    """

    java: Java
    jars: Path
    heap: str = "512m"

    def line(self, folder: BrokerFolder, *arguments: str | Path, flags: tuple[str, ...] = ()) -> list[str]:
        """The command line: Java, its flags, then the main class and its arguments."""
        # Sorted, since an archive of class data fits only the class path that it was made with.
        class_path = os.pathsep.join(str(jar) for jar in sorted(self.jars.glob("*.jar")))
        # Compression libraries unpack their native parts there and leave them when the process is killed.
        scratch = folder.path / "scratch"
        scratch.mkdir(exist_ok=True)
        keep_inside = (f"-Djava.io.tmpdir={scratch}", f"-XX:ErrorFile={folder.path}/java-crash-%p.log")
        java = str(self.java.executable)
        return [
            java,
            f"-Xmx{self.heap}",
            _COLLECTOR,
            *_LOGGING,
            *keep_inside,
            *flags,
            "-cp",
            class_path,
            *map(str, arguments),
        ]


def new_cluster_id() -> str:
    """A cluster id, in the form that Kafka wants."""
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def format_storage(kafka: KafkaCommand, folder: BrokerFolder, *, cluster_id: str) -> None:
    """Formats the data folder of a broker.

    It is formatted beside its place and renamed: what an interruption leaves is never taken for formatted data.
    """
    unfinished = folder.path / "formatting"
    shutil.rmtree(unfinished, ignore_errors=True)
    # Formatting binds no port and writes none down.
    node = Node(folder.node_id, 9092, 9093)
    folder.properties.write_text(rendered(server_properties(unfinished, node, voters=[node])))
    arguments = ("kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "--config", folder.properties)
    # Too short-lived a process for the optimizing compiler to pay.
    line = kafka.line(folder, *arguments, flags=("-XX:TieredStopAtLevel=1",))
    done = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603  # our own arguments
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise LocalKafkaError(f"Kafka could not format its storage in {folder.path}; it said:\n{said}")
    unfinished.rename(folder.data)


def spawn_broker(kafka: KafkaCommand, folder: BrokerFolder) -> None:
    """Starts the broker as a session of its own, which outlives this process.

    The broker inherits the lock of its life (see `locks`) and writes its process id itself. So however suddenly this
    process ends, a running broker is known and can be stopped.
    """
    line = [*_WRITE_PID_THEN_RUN, str(folder.pid_file), *kafka.line(folder, "kafka.Kafka", folder.properties)]
    folder.pid_file.unlink(missing_ok=True)
    if folder.log.exists():
        folder.log.replace(folder.log.with_suffix(".previous.log"))
    with exclusive(folder.life) as lock:
        os.set_inheritable(lock, True)
        # Not subprocess.Popen: it warns when its object goes while the child still runs, which here is the purpose.
        os.posix_spawn(
            line[0],
            line,
            os.environ,
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(folder.log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )


def stop_broker(folder: BrokerFolder, *, patience: timedelta) -> bool:
    """Ends the broker that lives in this folder: asks, waits for `patience`, then kills; False if none lived."""
    lived = is_held(folder.life)
    obeyed = bool(lived and patience and _ended(folder, signal.SIGTERM, within=patience))
    if lived and not obeyed and not _ended(folder, signal.SIGKILL, within=_KILL_PATIENCE):
        # It hangs in the kernel, on a dead disk for example.
        raise LocalKafkaError(f"The broker of {folder.path} (process {folder.pid()}) does not end, even when killed.")
    reap(folder)
    return lived


def signal_broker(folder: BrokerFolder, number: signal.Signals) -> None:
    """Sends a signal to the broker that lives in this folder.

    Raises:
        LocalKafkaError: None lives there.
    """
    pid = folder.pid() if is_held(folder.life) else None
    if pid is None:
        raise LocalKafkaError(f"Broker {folder.node_id} of {folder.path} does not run.")
    os.kill(pid, number)


def _ended(folder: BrokerFolder, number: signal.Signals, *, within: timedelta) -> bool:
    deadline = time.monotonic() + within.total_seconds()
    signalled = False
    while is_held(folder.life):
        # The lock is held, so the id is that of a living broker; a broker just spawned may still have to write it.
        pid = folder.pid()
        if pid is not None and not signalled:
            os.kill(pid, number)
            if number is signal.SIGTERM:
                os.kill(pid, signal.SIGCONT)  # a paused one could not obey
            signalled = True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def reap(folder: BrokerFolder) -> None:
    """Takes the exit status of a broker that this process started; any other is reaped by its own parent."""
    pid = folder.pid()
    if pid is not None:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
