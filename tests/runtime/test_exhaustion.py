from __future__ import annotations

import errno
import resource
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException
from rocksdict import Cache

from hephaestus_stream.errors import DataFolderError, OutOfResourcesError
from hephaestus_stream.runtime.changelog.store import Store
from hephaestus_stream.runtime.data_folder import data_folder
from hephaestus_stream.runtime.exhaustion import exhaustion_of, explained


@contextmanager
def no_more_files() -> Generator[None]:
    """This process may open no more files than it has open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_store_that_gets_no_more_open_files_names_the_limit(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    with pytest.raises(OutOfResourcesError, match=r"no more open files .*ulimit -n"), no_more_files():
        Store(tmp_path / "0", cache=Cache(1_000_000))


def test_a_store_that_another_one_has_open_names_the_setting(tmp_path: Path) -> None:
    first = Store(tmp_path / "0", cache=Cache(1_000_000))
    with pytest.raises(DataFolderError, match=r"is open in another process .*--data"):
        Store(tmp_path / "0", cache=Cache(1_000_000))
    first.close()


@pytest.mark.parametrize(
    "refusal",
    [
        RuntimeError("can't start new thread"),
        KafkaException(KafkaError(KafkaError._CRIT_SYS_RESOURCE, "Failed to create thread: Try again")),  # pyright: ignore[reportPrivateUsage] - librdkafka's own are spelled so
    ],
)
def test_threads_that_python_or_librdkafka_do_not_get_name_the_limit(refusal: Exception) -> None:
    with pytest.raises(OutOfResourcesError, match=r"no more threads .*ulimit -u"), explained():
        raise refusal


def test_any_other_error_is_left_as_it_is() -> None:
    assert exhaustion_of(OSError(errno.ENOENT, "no such file")) is None
    assert exhaustion_of(threading.BrokenBarrierError("broken")) is None


def test_a_data_folder_is_free_again_when_its_worker_has_ended(tmp_path: Path) -> None:
    with (
        data_folder(tmp_path / "a"),
        pytest.raises(DataFolderError, match="another worker"),
        data_folder(tmp_path / "a"),
    ):
        pass
    with data_folder(tmp_path / "a"):
        pass


def test_a_data_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFolderError, match=r"cannot be used .*--data"), data_folder(tmp_path / "file" / "folder"):
        pass
