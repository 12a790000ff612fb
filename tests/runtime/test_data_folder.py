"""One process has a data folder: as long as it lives, and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rocksdict import Cache

from hephaestus_stream.errors import DataFolderError
from hephaestus_stream.runtime.changelog.store import Store
from hephaestus_stream.runtime.data_folder import data_folder

HOLDER = """
import multiprocessing, os, sys, threading, time
from pathlib import Path
from rocksdict import Cache
from hephaestus_stream.runtime.changelog.store import Store
from hephaestus_stream.runtime.data_folder import data_folder

def live():
    os.write(1, f"{os.getpid()}\\n".encode())  # the copy itself tells, so it has let go of what it let go of
    time.sleep(300)

def fork():
    if not os.fork():
        live()
        os._exit(0)

def start():
    multiprocessing.get_context("fork").Process(target=live).start()

folder = Path(sys.argv[1])
with data_folder(folder):
    (folder / "0").mkdir()
    store = Store(folder / "0", cache=Cache(1_000_000))
    step = {"os.fork": fork, "multiprocessing": start}[sys.argv[2]]
    threading.Thread(target=step).start()
    time.sleep(300)
"""


@contextmanager
def forked_holder(folder: Path, kind: str) -> Generator[subprocess.Popen[str]]:
    """A process that has a folder and forks; its copy, which is left over, is ended in the end."""
    command = [sys.executable, "-W", "ignore", "-c", HOLDER, str(folder), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        copy = int(holder.stdout.readline())
        try:
            yield holder
            os.kill(copy, 0)  # it lives
        finally:
            holder.kill()
            os.kill(copy, signal.SIGKILL)


@pytest.mark.parametrize("kind", ["os.fork", "multiprocessing"])
def test_a_killed_process_leaves_its_folder_to_the_next_though_what_it_forked_lives_on(
    kind: str, tmp_path: Path
) -> None:
    with forked_holder(tmp_path, kind) as holder:
        with pytest.raises(DataFolderError, match=rf"another worker \(process {holder.pid}\)"), data_folder(tmp_path):
            pass
        holder.kill()
        holder.wait()

        with data_folder(tmp_path):
            Store(tmp_path / "0", cache=Cache(1_000_000)).close()


def test_a_copy_of_a_process_that_leaves_the_block_closes_nothing(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from hephaestus_stream.runtime.data_folder import data_folder
with data_folder(Path(sys.argv[1])):
    copy = os.fork()
    mine = None if copy else os.open(os.devnull, os.O_RDONLY)
if copy:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]))
os.fstat(mine)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == 0
