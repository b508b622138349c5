"""Vocabularies of made-up organizations: what sales teams call people, views and cadences."""

import random

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
