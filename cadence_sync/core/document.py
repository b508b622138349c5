"""The canonical document of a cadence: Zoho's nested object without labels, and back to leaves."""

from functools import cache

from cadence_sync.core.fields import LEAVES, UNENROLL
from cadence_sync.core.model import Config, Leaf
from cadence_sync.core.rules import comparable

_PATHS = (*LEAVES, UNENROLL)


def to_document(config: Config) -> dict[str, object]:
    """Nest leaves as Zoho nests them; an object of which every leaf is known to be null is null."""
    return {key: _nested(key, config) for key in _children("") if _is_known(key, config)}


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


def _children(path: str) -> list[str]:
    """Return the paths directly below an object, in the order of the field list; empty for a leaf."""
    return _TREE.get(path, [])


def _is_known(path: str, config: Config) -> bool:
    return path in config or any(_is_known(child, config) for child in _children(path))


def _nested(path: str, config: Config) -> object:
    children = _children(path)
    if not children or isinstance(config.get(path), list):
        return config.get(path)
    if all(child in config and config[child] is None for child in _leaves_below(path)):
        return None
    return {child.rpartition(".")[2]: _nested(child, config) for child in children if _is_known(child, config)}


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


def _tree() -> dict[str, list[str]]:
    tree: dict[str, list[str]] = {}
    for path in LEAVES:
        parts = path.split(".")
        for depth in range(len(parts)):
            siblings = tree.setdefault(".".join(parts[:depth]), [])
            child = ".".join(parts[: depth + 1])
            if child not in siblings:
                siblings.append(child)
    return tree


_TREE = _tree()
