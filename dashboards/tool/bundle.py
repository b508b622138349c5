"""Packs the bundle for import: `python dashboards/tool/bundle.py bundle.zip [database URL]`.

It needs no package, so that it also runs inside Superset's own image. A URL's password is left out unless
`--with-password` is given: Superset asks for it on import.
"""

import argparse
import os
import re
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

SOURCE: Final = Path(__file__).parents[1] / "superset"
DATABASE: Final = "databases/cadence_sync.yaml"
"""The file that Superset wants a password for."""

MASK: Final = "XXXXXXXXXX"
"""What Superset writes in place of a password; on import it asks for the real one."""

_PLACEHOLDER: Final = f"postgresql+psycopg2://cadence_reader:{MASK}@localhost:5432/cadence_sync"
_FOLDERS: Final = ("databases", "datasets", "charts", "dashboards")


def packed(uri: str | None = None) -> bytes:
    """Return the bundle as a zip; `uri` replaces the placeholder."""
    files = [SOURCE / "metadata.yaml", *sorted(f for name in _FOLDERS for f in (SOURCE / name).rglob("*.yaml"))]
    packing = BytesIO()
    with zipfile.ZipFile(packing, "w", zipfile.ZIP_DEFLATED) as bundle:
        for file in files:
            name = file.relative_to(SOURCE).as_posix()
            text = file.read_text(encoding="utf-8")
            if uri is not None and name == DATABASE:
                text = text.replace(_PLACEHOLDER, uri.replace("'", "''"))
            # Superset takes the first folder away, whatever its name is.
            bundle.writestr(f"cadence_sync/{name}", text)
    return packing.getvalue()


def address(url: str) -> tuple[str, str | None]:
    """Return a database URL as Superset spells it, its password masked, and the password."""
    parts = urlsplit(url)
    if parts.scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        raise ValueError("the database URL does not begin with postgresql://")
    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    netloc = f"{name}{f':{MASK}' if password else ''}{'@' if user else ''}{host}"
    masked = urlunsplit(parts._replace(scheme="postgresql+psycopg2", netloc=netloc))
    # Without a host `urlunsplit` would leave the two slashes out.
    masked = masked if "://" in masked else masked.replace(":", "://", 1)
    return masked, unquote(password) or None


def main() -> None:
    """Write the zip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zip", type=Path)
    parser.add_argument("url", nargs="?", help="whose database the bundle shall read; else the placeholder stays")
    parser.add_argument("--url-file", type=Path, help="a file that holds the URL")
    parser.add_argument("--with-password", action="store_true", help="put the password into the zip, mode 0600")
    args = parser.parse_args()
    url = args.url_file.read_text(encoding="utf-8").strip() if args.url_file else args.url
    uri = None
    if url:
        uri, _ = address(url)
        if args.with_password:
            uri = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql+psycopg2://", url)
    with os.fdopen(os.open(args.zip, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(packed(uri))


if __name__ == "__main__":
    main()
