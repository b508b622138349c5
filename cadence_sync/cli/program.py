"""How the running program is called again, so that the commands it prints work as printed."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

NAME: Final = "cadence-sync"


def program_name() -> str:
    """Return the plain name where PATH finds this program, else its path: relative if below the current folder."""
    started = Path(sys.argv[0]).absolute()
    found = shutil.which(NAME)
    if started.name != NAME or (found is not None and Path(found).resolve() == started.resolve()):
        return NAME
    here = Path.cwd()
    return shlex.quote(str(started.relative_to(here) if started.is_relative_to(here) else started))
