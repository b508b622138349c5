"""`rotate-keys`: after it, keys but the first are needed no more."""

from dataclasses import asdict

from cadence_sync import wiring
from cadence_sync.cli.output import print_json
from cadence_sync.config.settings import Settings


async def rotate_command(settings: Settings, *, as_json: bool) -> None:
    """Say what was encrypted anew; raises `SettingsError` naming what no key fits."""
    from cadence_sync.db.credentials import rotate_keys

    async with wiring.database(settings) as engine:
        done = await rotate_keys(engine, settings.encryption_key_list)
    if as_json:
        print_json(asdict(done))
    else:
        print(
            f"Encrypted anew: the credentials of {done.credentials} organization(s), {done.tokens} access token(s);"
            f" under the first key already: {done.current}."
        )
    done.check()
