"""Makes the parts of an organization from a random generator: same generator, same parts."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from cadence_sync.simulator.records import Cadence, Counts, Execution, Module, Period, User, View

MODULES = ("Leads", "Contacts", "Deals", "Vendors", "Subscriptions")
"""The modules that Zoho documents for cadences; the last one stands for a custom module."""

FIRST_NAMES = (
    "Patricia", "Anjali", "Marco", "Chloé", "Jürgen", "Tomasz", "Aiko", "Søren", "Lucía", "Ngozi",
    "Daniel", "Priya", "Emre", "Fatima", "Oliver", "Zoë", "Ravi", "Hannah", "João", "Mei",
)  # fmt: skip
LAST_NAMES = (
    "Boyle", "Raman", "Bianchi", "Lefèvre", "Schröder", "Nowak", "Tanaka", "Lindqvist", "Ibáñez", "Okafor",
    "O'Brien", "Subramanian", "Şahin", "Haddad", "Whitfield", "Novák", "Iyer", "Petersen", "Araújo", "Lin",
)  # fmt: skip

VIEWS = ("All {}", "My {}", "Untouched {}", "Hot {} this month", "{} without activity for 30 days")

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


def person(rng: random.Random) -> str:
    """Return a full name; some have letters beyond ASCII, as in any real team."""
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def cadence_name(rng: random.Random) -> str:
    """Return a name as a sales team would choose it; not unique."""
    return f"{rng.choice(_OCCASIONS)} - {rng.choice(_AUDIENCES)}{rng.choice(_TAGS)}"


def description(rng: random.Random) -> str:
    """Return a description, or "" as most cadences have none; Zoho allows 500 characters."""
    return rng.choice(_DESCRIPTIONS) if chance(rng, 40) else ""


def chance(rng: random.Random, percent: int) -> bool:
    """Draw true in so many of a hundred cases."""
    return rng.randrange(100) < percent


EPOCH = datetime(2024, 1, 8, 9, 0, tzinfo=UTC)
"""When the first cadence of every organization was created."""

HISTORY = timedelta(days=600)
"""All creations lie within this span, and every edit of the generated past before the end of 2025."""

_LAST_EDIT = datetime(2025, 12, 20, 17, 0, tzinfo=UTC)
_USERS = 6
_PERIODS: tuple[tuple[Period, tuple[int, ...]], ...] = (
    ("immediately", ()),
    ("hours", (1, 2, 4, 12)),
    ("days", (1, 2, 3, 7)),
    ("weeks", (1, 2, 4)),
)
_UNENROLL = ("respond_email", "automatic_unenroll", "respond_call", "complete_task")


class OrgParts(Protocol):
    """The part of an organization that a new cadence refers to."""

    users: list[User]
    views: list[View]
    modules: list[Module]

    def new_id(self) -> str:
        """Return an id that nothing in the organization has."""
        ...

    def unique_name(self, name: str) -> str:
        """Return the name, numbered if a cadence has it."""
        ...


def users(rng: random.Random, new_id: Callable[[], str]) -> list[User]:
    """Return a sales team."""
    return [User(new_id(), person(rng)) for _ in range(_USERS)]


def modules(new_id: Callable[[], str]) -> list[Module]:
    """Return every module that may have cadences."""
    return [Module(new_id(), name) for name in MODULES]


def views(in_modules: list[Module], new_id: Callable[[], str]) -> list[View]:
    """Return the usual custom views of each module."""
    return [View(new_id(), template.format(module.api_name), module) for module in in_modules for template in VIEWS]


def cadence(org: OrgParts, rng: random.Random, created: datetime, by: User | None = None) -> Cadence:
    """Return a cadence as its creator leaves it: a draft or published, and not edited since."""
    manual = chance(rng, 40)
    view = None if manual else rng.choice(org.views)
    published = chance(rng, 92)
    creator = by or rng.choice(org.users)
    created = created.replace(microsecond=0)
    return Cadence(
        id=org.new_id(),
        name=org.unique_name(cadence_name(rng)),
        description=description(rng),
        module=view.module if view else rng.choice(org.modules),
        type="manual_enrollment" if manual else "custom_view",
        active=published and chance(rng, 70),
        published=published,
        counts=counts(rng),
        created_time=created,
        created_by=creator,
        # Zoho documents null, and elsewhere repeats the creation; the user is there in either case.
        modified_time=None if chance(rng, 50) else created,
        modified_by=creator,
        view=view,
        # Zoho sends null for nearly all manual enrollment; a few with rules keep readers honest.
        execution=None if manual and chance(rng, 90) else execution(rng, created),
    )


def age(org: OrgParts, rng: random.Random, made: Cadence) -> Cadence:
    """Give a cadence the past of an organization that was in use: most were edited, some have a draft."""
    if chance(rng, 88):
        span = int((_LAST_EDIT - made.created_time).total_seconds())
        made.modified_time = made.created_time + timedelta(seconds=rng.randrange(60, span))
        made.modified_by = rng.choice(org.users)
    return made.with_draft() if made.published and chance(rng, 4) else made


def counts(rng: random.Random) -> Counts:
    """Return steps by kind, at least one in all."""
    drawn = Counts(
        email=rng.randrange(6),
        task=rng.randrange(4),
        call=rng.randrange(4),
        whatsapp=rng.randrange(1, 4) if chance(rng, 15) else 0,
    )
    return drawn if drawn != Counts() else Counts(email=1)


def execution(rng: random.Random, now: datetime) -> Execution:
    """Return an execution; an end date, where there is one, lies within the year after `now`."""
    period, units = rng.choice(_PERIODS)
    end_date = _day_after(rng, now.date()) if chance(rng, 30) else ""
    return Execution(
        period=period,
        unit=rng.choice(units) if units else None,
        unenroll=rng.choice(_UNENROLL),
        end_date=end_date,
        automatic=chance(rng, 25),
        revenue=str(rng.randrange(1, 500) * 1000) if chance(rng, 15) else "",
    )


def _day_after(rng: random.Random, day: date) -> str:
    return (day + timedelta(days=rng.randrange(14, 366))).isoformat()
