"""`SimOrg`: one made-up organization, the same for the same seed, index and size."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Literal, TypeAlias

from cadence_sync.simulator.records import Cadence, Counts, Execution, Module, Period, User, View, parent_id

Order: TypeAlias = Literal["id", "name", "modified", "shuffled"]
"""The order of lists; Zoho documents none. `shuffled` is arbitrary but stable; `modified` has the latest edit first, so
that an edit moves its cadence to page 1.
"""

EPOCH = datetime(2024, 1, 8, 9, 0, tzinfo=UTC)
"""Start of the `HISTORY` in which all cadences of a new organization were created."""
HISTORY = timedelta(days=600)
_LAST_EDIT = datetime(2025, 12, 20, 17, 0, tzinfo=UTC)

MODULES = ("Leads", "Contacts", "Deals", "Vendors", "Subscriptions")
"""The modules that Zoho documents for cadences; the last one stands for a custom module."""
_FIRST_NAMES = (
    "Patricia", "Anjali", "Marco", "Chloé", "Jürgen", "Tomasz", "Aiko", "Søren", "Lucía", "Ngozi",
    "Daniel", "Priya", "Emre", "Fatima", "Oliver", "Zoë", "Ravi", "Hannah", "João", "Mei",
)  # fmt: skip
LAST_NAMES = (
    "Boyle", "Raman", "Bianchi", "Lefèvre", "Schröder", "Nowak", "Tanaka", "Lindqvist", "Ibáñez", "Okafor",
    "O'Brien", "Subramanian", "Şahin", "Haddad", "Whitfield", "Novák", "Iyer", "Petersen", "Araújo", "Lin",
)  # fmt: skip

_VIEWS = ("All {}", "My {}", "Untouched {}", "Hot {} this month", "{} without activity for 30 days")

_OCCASIONS = (
    "Webinar follow-up", "Cold outreach", "Demo no-show", "Trial day 1-14", "Trial expired",
    "Trade fair leads", "Inbound form, first 48 hours", "Pricing page visitors", "Proposal sent",
    "Quote reminder", "Renewal T-90", "Renewal T-30", "Win-back", "Onboarding", "Upsell to Enterprise",
    "Referral thank-you", "Newsletter sign-up",
    "Contract stalled", "Post-purchase check-in", "Vendor re-qualification", "Payment reminder", "ABM tier 1",
    "Event invitation", "Lost deal revival", "NPS detractors", "Partner intro",
)  # fmt: skip
_AUDIENCES = (
    "DACH", "UK & Ireland", "Île-de-France", "Nordics", "Iberia", "APAC", "US East", "US West", "LATAM",
    "MENA", "SMB", "Mid-market", "Enterprise", "Healthcare", "Manufacturing", "SaaS", "Fintech", "日本",
)  # fmt: skip
_TAGS = (
    "", "", "", " v2", " v3", " (new copy)", " (A/B test)", " Q1", " Q2", " Q3", " Q4", " 2024", " 2025",
    " - do not edit", " TEST", " ✅",
)  # fmt: skip
_DESCRIPTIONS = (
    "Three mails and a call; stops when the contact replies.",
    "Agreed with marketing, see the playbook before changing the waits.",
    'First touch within the hour. Ask "who else decides?" on the call.',
    "Replaces the old workflow rule.",
    "Für alle Kontakte, die das Webinar besucht haben.",
    "Only for accounts with an open opportunity.\nOwner: sales operations.",
)

TASKS = ("Research the account", "Connect on LinkedIn", "Prepare the offer", "Send a handwritten card")
CALLS = ("Prospecting", "Administrative", "Negotiation", "Demo", "Project")
MAILS = ("Introduction", "Case study", "Gentle nudge", "Calendar link", "Break-up mail")

_PERIODS: tuple[tuple[Period, tuple[int, ...]], ...] = (
    ("immediately", ()),
    ("hours", (1, 2, 4, 12)),
    ("days", (1, 2, 3, 7)),
    ("weeks", (1, 2, 4)),
)
_UNENROLL = ("respond_email", "automatic_unenroll", "respond_call", "complete_task")

_KEYS: dict[Order, Callable[[Cadence], str]] = {
    "id": lambda cadence: cadence.id,
    "name": lambda cadence: cadence.name.casefold(),
    "modified": lambda cadence: (cadence.modified_time or cadence.created_time).isoformat(),
    # By a hash of the id: paging needs an order that survives edits.
    "shuffled": lambda cadence: blake2b(cadence.id.encode(), digest_size=8).hexdigest(),
}


class SimOrg:
    """Users, modules, views and cadences of organization number `index`, counted from 0.

    `cadences` holds the live ones, `deleted` those that can be restored. A caller that changes one of them calls
    `touch()`, as `edits` does; otherwise a list may keep its former order.
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
        self.modules = [Module(self.new_id(), name) for name in MODULES]
        self.users = [User(self.new_id(), _person(self._rng)) for _ in range(6)]
        self.views = [
            View(self.new_id(), name.format(module.api_name), module) for module in self.modules for name in _VIEWS
        ]
        self.cadences: dict[str, Cadence] = {}
        self.deleted: dict[str, Cadence] = {}
        for number in range(cadences):
            created = EPOCH + HISTORY * ((number + self._rng.random()) / cadences)
            made = _age(self, self._rng, make_cadence(self, self._rng, created))
            self.cadences[made.id] = made

    def new_id(self) -> str:
        """Returns a 19-digit id like Zoho's: a prefix per organization and a growing number."""
        self._last_id += self._rng.randrange(1000, 4000)  # room for a cadence's draft, its steps and their actions
        return f"{self.prefix}{self._last_id:012}"

    def unique_name(self, name: str) -> str:
        self._names[name] = self._names.get(name, 0) + 1
        return name if self._names[name] == 1 else f"{name} ({self._names[name]})"

    def find(self, cadence_id: str) -> Cadence | None:
        """Returns the live cadence or the draft with this id; lists leave drafts out."""
        found = self.cadences.get(cadence_id)
        if found is None and cadence_id.isdecimal():
            parent = self.cadences.get(parent_id(cadence_id))
            return parent.as_draft() if parent is not None and parent.draft is not None else None
        return found

    def ordered(self, order: Order) -> Sequence[Cadence]:
        if order not in self._ordered:
            self._ordered[order] = sorted(self.cadences.values(), key=_KEYS[order], reverse=order == "modified")
        return self._ordered[order]

    def touch(self) -> None:
        self._ordered.clear()


def _person(rng: random.Random) -> str:
    return f"{rng.choice(_FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def cadence_name(rng: random.Random) -> str:
    return f"{rng.choice(_OCCASIONS)} - {rng.choice(_AUDIENCES)}{rng.choice(_TAGS)}"


def _chance(rng: random.Random, percent: int) -> bool:
    return rng.randrange(100) < percent


def make_cadence(org: SimOrg, rng: random.Random, created: datetime, by: User | None = None) -> Cadence:
    """Returns a cadence as its creator leaves it: a draft or published, without later edits."""
    manual = _chance(rng, 40)
    view = None if manual else rng.choice(org.views)
    published = _chance(rng, 92)
    creator = by or rng.choice(org.users)
    created = created.replace(microsecond=0)
    return Cadence(
        id=org.new_id(),
        name=org.unique_name(cadence_name(rng)),
        description=rng.choice(_DESCRIPTIONS) if _chance(rng, 40) else "",
        module=view.module if view else rng.choice(org.modules),
        type="manual_enrollment" if manual else "custom_view",
        active=published and _chance(rng, 70),
        published=published,
        counts=make_counts(rng),
        created_time=created,
        created_by=creator,
        # Zoho documents null, and elsewhere repeats the creation; the user is there in either case.
        modified_time=None if _chance(rng, 50) else created,
        modified_by=creator,
        view=view,
        # Zoho sends null for nearly all manual enrollment; a few with rules keep readers honest.
        execution=None if manual and _chance(rng, 90) else make_execution(rng, created),
    )


def _age(org: SimOrg, rng: random.Random, made: Cadence) -> Cadence:
    if _chance(rng, 88):
        span = int((_LAST_EDIT - made.created_time).total_seconds())
        made.modified_time = made.created_time + timedelta(seconds=rng.randrange(60, span))
        made.modified_by = rng.choice(org.users)
    return made.with_draft() if made.published and _chance(rng, 4) else made


def make_counts(rng: random.Random) -> Counts:
    drawn = Counts(
        email=rng.randrange(6),
        task=rng.randrange(4),
        call=rng.randrange(4),
        whatsapp=rng.randrange(1, 4) if _chance(rng, 15) else 0,
    )
    return drawn if drawn != Counts() else Counts(email=1)


def make_execution(rng: random.Random, now: datetime) -> Execution:
    period, units = rng.choice(_PERIODS)
    ends = _chance(rng, 30)
    end_date = (now.date() + timedelta(days=rng.randrange(14, 366))).isoformat() if ends else ""
    return Execution(
        period=period,
        unit=rng.choice(units) if units else None,
        unenroll=rng.choice(_UNENROLL),
        end_date=end_date,
        automatic=_chance(rng, 25),
        revenue=str(rng.randrange(1, 500) * 1000) if _chance(rng, 15) else "",
    )
