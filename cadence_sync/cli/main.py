"""Where the program starts: before anything is imported, the garbage collector is told to wait."""

import atexit
import gc


def main() -> None:
    """Run the program.

    Nothing that is imported is ever garbage, and nothing needs to be looked through when the process ends: the
    collector's work on it would be a quarter of a short command. `cli.run` switches it on again.
    """
    gc.disable()
    atexit.register(gc.freeze)
    from cadence_sync.cli.app import run_app

    run_app()
