"""What is asked of the workers over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

ResultT = TypeVar("ResultT")

Parameters = Mapping[str, str | int | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Question(Generic[ResultT]):
    """What is asked, and how the answer is read."""

    path: str
    parameters: Parameters
    read: Callable[[bytes], ResultT]
