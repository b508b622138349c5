"""How many examples a property is tried with: fewer where a quick answer is wanted."""

import os

SHARE = float(os.environ.get("CADENCE_SYNC_TEST_EXAMPLES", "1"))


def examples(number: int) -> int:
    return max(10, int(number * SHARE))
