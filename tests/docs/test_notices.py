"""The notices name every package with its license, and carry the texts that must be passed on."""

import subprocess
import sys
from importlib.metadata import distribution, distributions

from tools.notices import OWN, license_of, notice
from tools.paths import ROOT


def test_every_package_is_named_but_this_one() -> None:
    script = ROOT / "tools/notices.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, encoding="utf-8")
    named = set(printed.stdout.splitlines())
    installed = {f"{each.name} {each.version}" for each in distributions() if each.name.lower() != OWN}
    assert installed - named == set()
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in printed.stdout
    assert "Mozilla Public License" in printed.stdout


def test_a_package_s_license_and_text_are_its_own() -> None:
    assert "LGPL" in license_of(distribution("pygal")) or "Lesser" in license_of(distribution("pygal"))
    text = "\n".join(notice(distribution("aiohttp")))
    assert f"aiohttp {distribution('aiohttp').version}" in text
    assert "Apache License" in text
