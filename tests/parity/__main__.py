"""`python -m tests.parity` makes the page anew; with numbers of rows it prints the ids of their tests."""

from __future__ import annotations

import sys

from tests.parity.marks import shown_by_row
from tests.parity.page import PATH, page
from tests.parity.rows import rows

if len(sys.argv) == 1:
    PATH.write_text(page(rows(), shown_by_row()))
else:
    tests = shown_by_row()
    wanted = [test for number in sys.argv[1:] for test in tests.get(int(number), ())]
    sys.stdout.writelines(f"{test}\n" for test in dict.fromkeys(wanted))
