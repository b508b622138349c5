"""Prints the licenses of the installed packages, for those who pass them on: `make notices`, and the image's build.

It needs the standard library alone: the image has no other tool.
"""

import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from typing import Final

OWN: Final = "cadence-sync"
_FIELDS: Final = ("License-Expression", "Classifier", "License")
_RULE: Final = "=" * 100


def main() -> None:
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # of a script it is no other stream
    found = {each.name.lower(): each for each in distributions()}
    sys.stdout.write(f"{OWN} (Apache-2.0, see LICENSE) comes with these packages, unmodified.\n")
    for name in sorted(found.keys() - {OWN}):
        sys.stdout.write("\n".join(("", _RULE, *notice(found[name]), "")))


def notice(package: Distribution) -> Iterator[str]:
    """Yields the lines about one package: name, license, source, and the texts that it carries."""
    yield f"{package.name} {package.version}"
    yield f"License: {license_of(package)}"
    yield f"Source: https://pypi.org/project/{package.name}/{package.version}/"
    for path in package.files or ():
        if path.parent.parts[:1] and path.parent.parts[0].endswith(".dist-info") and is_license(path.name):
            yield ""
            yield path.read_text(encoding="utf-8").strip()


def is_license(name: str) -> bool:
    return name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS"))


def license_of(package: Distribution) -> str:
    """Returns what the metadata state, in the order in which they came into use; the latest first."""
    expression, kinds, license_text = (package.metadata.get_all(name) or [] for name in _FIELDS)
    named = [kind.rpartition(" :: ")[2] for kind in kinds if kind.startswith("License")]
    stated = (*expression, ", ".join(named), *(text.partition("\n")[0] for text in license_text))
    return next((each for each in stated if each), "see its source")


if __name__ == "__main__":
    main()
