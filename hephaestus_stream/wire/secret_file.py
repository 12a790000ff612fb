"""Files that hold passwords or keys: whoever else can read them is told of."""

from __future__ import annotations

import logging
import stat
from functools import cache
from pathlib import Path
from typing import Final

_logger: Final = logging.getLogger(__name__)


@cache
def warn_if_public(path: Path) -> None:
    """Warns, once for each file, where every user of the machine may read it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IROTH:
        _logger.warning("%s holds secrets, and everybody here may read it (mode %03o): chmod 600 %s", path, mode, path)
