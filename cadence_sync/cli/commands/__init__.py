"""The commands, and what the program knows of them before it imports any."""

from typing import Final

COMMANDS: Final = {
    "init": "Ask for database and credentials, try both, and write them into a settings file.",
    "demo": "Show a first sync, some changes, and the history that they leave.",
    "migrate": "Create or upgrade the tables.",
    "grant-reader": "Let a role of the database read the reporting layer, and nothing else.",
    "sync": "Fetch every cadence and write what changed.",
    "serve": "Sync every organization again and again, until stopped.",
    "worker": "Run one more worker: it syncs what a scheduler enters in the queue.",
    "status": "Show, for each organization, what is stored and how its last run went.",
    "list": "List the cadences.",
    "show": "Show all that is known of one cadence.",
    "history": "Show every version of one cadence and what changed in it, as a time line.",
    "blame": "Show, for every field of one cadence, since when it is so, who changed it, and which run saw that.",
    "diff": "Show what differs between two times, or between two organizations.",
    "export": "Export the state at a time as JSON, YAML or CSV, or the whole history as a git repository.",
    "approve": "Let the next sync delete what a run held.",
    "reject": "Keep what a run held as live, and raise no further alarm about it.",
    "redact-person": "Replace a user's name everywhere, history included; what happened and when stays.",
    "prune": "Delete old runs that changed nothing; a row a day of what they add up to stays.",
    "rotate-keys": "Encrypt all that is encrypted anew, under the first of CADENCE_SYNC_ENCRYPTION_KEYS.",
    "doctor": "Check settings, database, clocks, Zoho and what is stored, and say what to do about what is wrong.",
    "simulate": "Stand in for Zoho on this machine, to try things out.",
    "org add": "Add an organization: prove its credentials by one call, and store them encrypted.",
    "org import": "Add many organizations, each proved; those that fail are named, the others are stored.",
    "org list": "List the organizations: where their credentials are, when they are synced, how they fare.",
    "org schedule": "Say when an organization is synced, or change it: daemons follow within seconds.",
    "org remove": "Sync an organization no more and delete its credentials; its history stays unless it is purged.",
    "org pause": "Leave an organization out until it is resumed; `sync --org` still syncs it.",
    "org resume": "Sync an organization again, at its usual times, whatever failed before.",
    "alerts test": "Send a test message to every channel, and say which took it.",
    "alerts list": "Show channels, without their addresses, and rules.",
    "alerts status": "Show how much waits, was sent, and was never taken, for each channel.",
    "alerts send": "Send what is due, once: for those who run `sync` by a timer instead of a daemon.",
    "alerts retry": "Let a daemon try at once what was not taken, dead letters too.",
    "alerts drop": "Delete a channel's pending alerts.",
}
"""Every command with its help in one sentence, in the order of the lists."""
GROUPS: Final = {
    "org": "Add, list, pause and remove organizations.",
    "alerts": "Try, watch and retry alerts.",
}
_MODULES: Final = {
    **dict.fromkeys(("migrate", "grant-reader", "prune", "rotate-keys"), "database"),
    "worker": "serve",
    "status": "show",
    "list": "show",
    "approve": "review",
    "reject": "review",
    "blame": "history",
    "org import": "org_add",
    **dict.fromkeys(("org list", "org remove", "org pause", "org resume"), "org"),
    **{name: "alerts" for name in COMMANDS if name.startswith("alerts ")},
}


def module_of(command: str) -> str:
    """Returns the module that declares a command: the one of its name, unless several share one."""
    return f"{__name__}.{_MODULES.get(command) or command.replace(' ', '_').replace('-', '_')}"
