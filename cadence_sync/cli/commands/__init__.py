"""The table of commands: names, short help and modules, which are imported by name."""

from typing import Final

COMMANDS: Final = {
    "init": "Create a settings file interactively: test the database and the Zoho credentials, then write it.",
    "demo": "Run a first sync and some changes against a simulated Zoho, and show the history.",
    "migrate": "Create or upgrade the tables.",
    "grant-reader": "Grant a database role read access to the reporting layer only.",
    "sync": "Fetch every cadence and write what changed.",
    "serve": "Sync every organization on schedule and serve the web UI, until stopped.",
    "worker": "Run an additional worker that takes sync jobs from the queue.",
    "status": "Show each organization's cadence counts and last run.",
    "list": "List the cadences.",
    "show": "Show one cadence with all its fields.",
    "history": "Show the timeline of one cadence: every version and its changes.",
    "blame": "Show when, by whom and in which run each field of a cadence got its value.",
    "diff": "Compare two times, or two organizations.",
    "export": "Export the state at a time as JSON, YAML or CSV, or the whole history as a Git repository.",
    "approve": "Approve a run's held deletions; the next sync applies them.",
    "reject": "Reject a run's held deletions and keep the cadences live.",
    "redact-person": "Replace a person's name everywhere, including the history; events and times stay.",
    "prune": "Delete old no-op runs, keeping daily totals.",
    "rotate-keys": "Re-encrypt stored secrets with the first key in CADENCE_SYNC_ENCRYPTION_KEYS.",
    "doctor": "Check settings, database, clocks, Zoho and stored data, and suggest fixes.",
    "simulate": "Run a simulated Zoho on this machine.",
    "org add": "Add an organization: verify its credentials with one API call and store them encrypted.",
    "org import": "Add many organizations from a file; invalid ones are reported, the others stored.",
    "org list": "List organizations with the source of their credentials, schedule and last run.",
    "org schedule": "Show or change an organization's schedule; daemons pick it up within seconds.",
    "org remove": "Stop syncing an organization and delete its credentials; its history stays unless purged.",
    "org pause": "Pause an organization; `sync --org` still syncs it.",
    "org resume": "Resume an organization's schedule and reset its failure count.",
    "token create": "Create an access token of the web UI and print its secret, once.",
    "token list": "List access tokens with role, organizations, expiry and last use, never their secrets.",
    "token revoke": "Revoke an access token; sessions that began with it end.",
    "audit export": "Export the audit log, oldest entry first: who did what, when and from where.",
    "alerts test": "Send a test message to every channel and report the results.",
    "alerts list": "List channels, without their addresses, and rules.",
    "alerts status": "Show pending, sent and dead-lettered alerts of each channel.",
    "alerts send": "Send pending alerts once, for setups that run `sync` from a timer instead of a daemon.",
    "alerts retry": "Retry undelivered alerts now, including dead letters.",
    "alerts drop": "Delete a channel's pending alerts.",
}
GROUPS: Final = {
    "org": "Add, list, pause and remove organizations.",
    "token": "Create, list and revoke named access tokens of the web UI.",
    "audit": "Export who did what.",
    "alerts": "Test, monitor and retry alerts.",
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
    **{name: "token" for name in COMMANDS if name.startswith("token ")},
    "audit export": "audit",
    **{name: "alerts" for name in COMMANDS if name.startswith("alerts ")},
}


def module_of(command: str) -> str:
    """Returns the module that declares a command: the one of its name, unless several share one."""
    return f"{__name__}.{_MODULES.get(command) or command.replace(' ', '_').replace('-', '_')}"
