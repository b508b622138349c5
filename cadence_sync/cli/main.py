"""The program's entry point, which stops the garbage collector before anything else is imported."""

import atexit
import gc


def main() -> None:
    """Runs the program.

    Imported modules never become garbage, and nothing needs a collection when the process ends: it would be a quarter
    of a short command. `cli.runtime.run` switches the collector on again.
    """
    gc.disable()
    atexit.register(gc.freeze)
    from cadence_sync.cli.app import run_app  # only now: its imports are what the collector would look through

    run_app()
