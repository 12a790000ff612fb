"""Errors of the engine's own, which quote no payload: they are told where the texts of exceptions are encrypted.

Not their classes are marked but they themselves, since steps may raise these classes, and others of the same name.
"""

from __future__ import annotations

from typing import Final, TypeVar

_MARK: Final = "_hephaestus_own"

_Raised = TypeVar("_Raised", bound=BaseException)


def own(error: _Raised) -> _Raised:
    """The error, marked."""
    vars(error)[_MARK] = True
    return error


def is_own(error: BaseException) -> bool:
    """Whether it was marked."""
    return _MARK in vars(error)
