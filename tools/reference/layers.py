"""The package's layers, from the import contract in `pyproject.toml`."""

import tomllib

from tools.paths import ROOT


def layer_block() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (each for each in project["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    return "```text\n{}\n```\n".format("\n".join(contract["layers"]))
