"""The canonical document of a cadence: Zoho's nested object without labels, and back to leaves."""

from functools import cache
from typing import Final, TypeAlias

from cadence_sync.core.fields import LEAVES, UNENROLL
from cadence_sync.core.model import Config, Leaf
from cadence_sync.core.rules import comparable

_PATHS = (*LEAVES, UNENROLL)


def to_document(config: Config) -> dict[str, object]:
    """Nest leaves as Zoho nests them; an object of which every leaf is known to be null is null."""
    return _nested(_TREE, config)[0]


def from_document(document: dict[str, object]) -> Config:
    """Return the leaves that a document holds: the inverse of `to_document`."""
    config: Config = {}
    _collect("", document, config)
    return config


def changed_leaves(old: Config, new: Config) -> list[tuple[str, Leaf, Leaf]]:
    """Return (path, old, new) of each leaf known on both sides whose value is not the same."""
    return [
        (path, old[path], new[path])
        for path in sorted(new)
        if path in old and comparable(old[path]) != comparable(new[path])
    ]


def _nested(tree: "_Tree", config: Config) -> tuple[dict[str, object], bool]:
    """Return what is known of an object, and whether all of its leaves are known to be null."""
    document: dict[str, object] = {}
    is_null = True
    for name, path, children in tree:
        if path in config and (not children or config[path] is not None):
            document[name] = leaf = config[path]
            is_null = is_null and leaf is None
        elif not children:
            is_null = False
        else:
            inner, inner_is_null = _nested(children, config)
            if inner_is_null and (path != UNENROLL or path in config):
                document[name] = None
            else:
                is_null = False
                if inner or path in config:
                    document[name] = inner
    return document, is_null


@cache
def _leaves_below(path: str) -> tuple[str, ...]:
    return tuple(leaf for leaf in _PATHS if leaf.startswith(f"{path}."))


def _collect(path: str, value: object, config: Config) -> None:
    if isinstance(value, dict):
        if path == UNENROLL:
            config[UNENROLL] = None
        for key, child in value.items():
            _collect(f"{path}.{key}" if path else key, child, config)
        return
    config.update((leaf, None) for leaf in _leaves_below(path))
    if path in _PATHS:
        config[path] = value  # type: ignore[assignment]  # a document holds leaves only


_Tree: TypeAlias = tuple[tuple[str, str, "_Tree"], ...]
"""Of each child its name, its path and its own children: none for a leaf. The array of rules is a leaf with some."""


def _tree(parent: str = "") -> _Tree:
    prefix = f"{parent}." if parent else ""
    names = dict.fromkeys(path[len(prefix) :].partition(".")[0] for path in LEAVES if path.startswith(prefix))
    return tuple((name, prefix + name, _tree(prefix + name)) for name in names)


_TREE: Final = _tree()
