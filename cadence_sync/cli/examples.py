"""What `--help` shows of each command besides its options: lines to try."""

from typing import Final

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "": ("cadence-sync init", "cadence-sync sync", "cadence-sync status", "cadence-sync sync --help"),
    "init": ("cadence-sync init", "cadence-sync init --data-center eu --output /etc/cadence-sync/cadence-sync.toml"),
    "demo": ("cadence-sync demo", "cadence-sync demo --serve"),
    "migrate": ("cadence-sync migrate",),
    "grant-reader": ("cadence-sync grant-reader metabase",),
    "sync": (
        "cadence-sync sync",
        "cadence-sync sync --org acme --org globex --json",
        "cadence-sync sync --dry-run",
        "cadence-sync sync --queue --org acme",
    ),
    "serve": ("cadence-sync serve", "cadence-sync --config /etc/cadence-sync/cadence-sync.toml serve"),
    "worker": ("cadence-sync worker",),
    "status": ("cadence-sync status", "cadence-sync status --json"),
    "list": ("cadence-sync list", "cadence-sync list --org acme --deleted --json"),
    "show": ("cadence-sync show 3652397000017949001",),
    "history": ("cadence-sync history 3652397000017949001", "cadence-sync history 3652397000017949001 --json"),
    "blame": ("cadence-sync blame 3652397000017949001",),
    "diff": (
        "cadence-sync diff --from 2026-03-01T09:00Z",
        "cadence-sync diff --from 2026-03-01T09:00Z --to 2026-04-01T09:00+02:00 --json",
        "cadence-sync diff --from-org sandbox --to-org production",
    ),
    "export": (
        "cadence-sync export --at 2026-03-01T09:00Z --format csv --output cadences.csv",
        "cadence-sync export --git cadences-history",
    ),
    "approve": ("cadence-sync approve 4711",),
    "reject": ("cadence-sync reject 4711",),
    "redact-person": ("cadence-sync redact-person 3652397000000186017",),
    "prune": ("cadence-sync prune --dry-run", "cadence-sync prune --keep 30d"),
    "rotate-keys": ("cadence-sync rotate-keys",),
    "doctor": (
        "cadence-sync doctor",
        "cadence-sync doctor --org acme",
        "cadence-sync doctor --offline --json",
        "cadence-sync doctor --deep",
    ),
    "simulate": ("cadence-sync simulate", "cadence-sync simulate --port 8787 --cadences 400 --edit-every 5"),
    "org add": (
        "cadence-sync org add acme --data-center eu",
        "cadence-sync org add acme --refresh-token-file token.txt --interval 5m",
        "cadence-sync org add acme --replace --grant-code-file -",
    ),
    "org import": ("cadence-sync org import orgs.csv", "cadence-sync org import orgs.toml --no-check --json"),
    "org list": ("cadence-sync org list", "cadence-sync org list --all --json"),
    "org schedule": (
        "cadence-sync org schedule acme --interval 5m",
        "cadence-sync org schedule acme --cron '0 9 * * 1-5' --time-zone Europe/Paris",
        "cadence-sync org schedule acme --default",
    ),
    "org pause": ("cadence-sync org pause acme",),
    "org resume": ("cadence-sync org resume acme",),
    "org remove": ("cadence-sync org remove acme", "cadence-sync org remove acme --purge"),
    "alerts test": ("cadence-sync alerts test", "cadence-sync alerts test --channel sales"),
    "alerts list": ("cadence-sync alerts list",),
    "alerts status": ("cadence-sync alerts status --json",),
    "alerts send": ("cadence-sync alerts send",),
    "alerts retry": ("cadence-sync alerts retry --channel sales",),
    "alerts drop": ("cadence-sync alerts drop --channel url-2",),
}
"""Command → lines; the program itself has no name. Each of them is parsed by a test."""


def epilog(command: str) -> str:
    """Return the examples as the end of a help text; a mark of typer's keeps its lines apart."""
    lines = EXAMPLES.get(command, ())
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines))) if lines else ""
