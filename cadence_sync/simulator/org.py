"""`SimOrg`: one made-up organization, the same for the same seed, index and size."""

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Literal, TypeAlias, get_args

from cadence_sync.simulator import generate
from cadence_sync.simulator.records import Cadence, parent_id

Order: TypeAlias = Literal["id", "name", "modified", "shuffled"]
"""In what order lists come; Zoho documents none. `shuffled` is arbitrary, but does not
change by itself; `modified` has the latest edit first, so that an edit moves its cadence to page 1.
"""

ORDERS: tuple[Order, ...] = get_args(Order)

_GAP = range(1000, 4000)  # between two ids: room for a cadence's draft, its steps and their actions

_KEYS: dict[Order, Callable[[Cadence], str]] = {
    "id": lambda cadence: cadence.id,
    "name": lambda cadence: cadence.name.casefold(),
    "modified": lambda cadence: (cadence.modified_time or cadence.created_time).isoformat(),
    # By a hash of the id: a list that is shuffled anew by every edit could not be paged through at all.
    "shuffled": lambda cadence: blake2b(cadence.id.encode(), digest_size=8).hexdigest(),
}


class SimOrg:
    """Users, modules, views and cadences of organization number `index`, counted from 0.

    `cadences` holds the live ones, `deleted` those that can be restored. Whoever changes one of them calls
    `touch()`, as `edits` does; otherwise a list may come in its former order.
    """

    def __init__(self, seed: int, index: int, cadences: int) -> None:
        self._rng = random.Random(f"{seed}/{index}")
        self.index = index
        self.prefix = f"{self._rng.randrange(1, 9)}{(652397 + 7919 * index) % 1_000_000:06}"
        self._last_id = 200_000
        self._names: dict[str, int] = {}
        self._ordered: dict[Order, list[Cadence]] = {}
        self.utc_offset = timedelta(hours=-7)
        """The offset of the times in v7 bodies; another one writes the same instants differently."""
        self.modules = generate.modules(self.new_id)
        self.users = generate.users(self._rng, self.new_id)
        self.views = generate.views(self.modules, self.new_id)
        self.cadences: dict[str, Cadence] = {}
        self.deleted: dict[str, Cadence] = {}
        self._fill(cadences)

    def new_id(self) -> str:
        """Return a 19-digit id like Zoho's: a prefix per organization and a growing number."""
        self._last_id += self._rng.randrange(_GAP.start, _GAP.stop)
        return f"{self.prefix}{self._last_id:012}"

    def unique_name(self, name: str) -> str:
        """Return the name, numbered from its second use on."""
        self._names[name] = self._names.get(name, 0) + 1
        return name if self._names[name] == 1 else f"{name} ({self._names[name]})"

    def find(self, cadence_id: str) -> Cadence | None:
        """Return the live cadence or the draft of one; drafts have ids of their own and stand in no list."""
        found = self.cadences.get(cadence_id)
        if found is None and cadence_id.isdecimal():
            parent = self.cadences.get(parent_id(cadence_id))
            return parent.as_draft() if parent is not None and parent.draft is not None else None
        return found

    def ordered(self, order: Order) -> Sequence[Cadence]:
        """Return the live cadences as a list shows them."""
        if order not in self._ordered:
            self._ordered[order] = sorted(self.cadences.values(), key=_KEYS[order], reverse=order == "modified")
        return self._ordered[order]

    def touch(self) -> None:
        """Forget the orders worked out so far: something changed."""
        self._ordered.clear()

    def _fill(self, size: int) -> None:
        for number in range(size):
            created = generate.EPOCH + generate.HISTORY * ((number + self._rng.random()) / size)
            made = generate.age(self, self._rng, generate.cadence(self, self._rng, created))
            self.cadences[made.id] = made
