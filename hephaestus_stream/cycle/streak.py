"""Instances on which the engine failed one after the other: after a few it is the engine that must stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hephaestus_stream.errors import EngineBrokenError

MOST_IN_A_ROW: Final = 3
"""So many instances in a row are no chance: whatever comes next would be halted or refused as well."""

_SHOWN: Final = 200
"""Characters of a key that are kept: they stand in the record of the position, which must stay small."""


class Streak:
    """Counts instances, since one command that is repeated again and again must not stop a partition.

    Args:
        former: The keys that failed last, after which nothing succeeded.
    """

    def __init__(self, former: Sequence[str]) -> None:
        self.keys = tuple(former)

    def succeeded(self) -> None:
        """An input was taken in, even if that was a refusal."""
        self.keys = ()

    def failed(self, key: str) -> None:
        """The engine failed on an input of a key.

        Raises:
            EngineBrokenError: It is one too many; nothing of the cycle may be committed.
        """
        key = key[:_SHOWN]
        if key not in self.keys:
            self.keys = (*self.keys, key)
        if len(self.keys) >= MOST_IN_A_ROW:
            raise EngineBrokenError(
                f"the engine failed on {MOST_IN_A_ROW} instances in a row ({', '.join(self.keys)}): nothing "
                f"more is taken in, lest it be halted or refused. It is a bug of ours: the log has its tracebacks, "
                f"please report them and install a release without it; a restart alone mends nothing"
            )
