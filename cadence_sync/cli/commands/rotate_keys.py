"""`rotate-keys`: after it, only the first key is needed."""

from dataclasses import asdict

import typer

from cadence_sync.cli.console import print_json
from cadence_sync.cli.options import Json, examples, new_app
from cadence_sync.cli.runtime import read_settings, with_database
from cadence_sync.db import credentials

app = new_app()


@app.command(epilog=examples("cadence-sync rotate-keys"))
def rotate_keys(context: typer.Context, as_json: Json = False) -> None:
    settings = read_settings(context)
    done = with_database(settings, lambda engine: credentials.rotate_keys(engine, settings.encryption_key_list))
    if as_json:
        print_json(asdict(done))
    else:
        print(
            f"Encrypted anew: the credentials of {done.credentials} organization(s), {done.tokens} access token(s);"
            f" under the first key already: {done.current}."
        )
    done.check()
