"""The web UI's requests: addresses and fields from the code, meanings from the reference page."""

import ast
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Final

from aiohttp.web import RouteDef

from cadence_sync.web import params
from cadence_sync.web.views import PAGES
from tools.reference.markdown import table

HEADING: Final = "| request | fields | answer |\n"
ROWS: Final = re.compile(rf"^{re.escape(HEADING)}(?:\|.*\n)+", re.MULTILINE)
ROW: Final = re.compile(r"^\| `([A-Z]+ [^`]*)` \| [^|]* \| (.*) \|$", re.MULTILINE)
READERS: Final = {each.__name__ for each in (params.words, params.one_of, params.number)}
"""Functions that read a request field, named by their second argument."""

TIME_READERS: Final = {each.__name__ for each in (params.time_param, params.period)}
"""Functions that read the fields of each time that they are given the name of."""

GETTERS: Final = {"given.get", "request.query.get", "(await params.form(request)).get"}


def with_routes(page: str) -> str:
    """Returns the page with every route; a new one has an empty meaning."""
    reported = dict(ROW.findall(page))
    rows = [
        [f"`{name}`", ", ".join(f"`{field}`" for field in fields), reported.get(name, "")]
        for name, fields in requests()
    ]
    return ROWS.sub(lambda _: table(HEADING.strip("| \n").split(" | "), rows), page)


def requests() -> Iterator[tuple[str, list[str]]]:
    """Yields each request with its fields, in the order of the modules."""
    for module in PAGES:
        functions = {
            node.name: node
            for node in ast.parse(inspect.getsource(module)).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for route in routes_of(module):
            path = re.sub(r"\{(\w+):[^{}|]*(?:\{[^{}]*\})?[^{}|]*\}", r"{\1}", route.path)
            for each in each_path(path):
                asked = {field for node in reached(functions, route.handler.__name__) for field in read(node)}
                yield f"{route.method} {each}", sorted(asked)


def routes_of(module: ModuleType) -> Iterator[RouteDef]:
    for route in module.routes:
        if not isinstance(route, RouteDef):
            raise TypeError(f"{module.__name__} has {route!r}, not a RouteDef")
        yield route


def each_path(path: str) -> Iterator[str]:
    """Yields a pattern's addresses, one for each alternative."""
    choice = re.search(r"\{\w+:(\w+(?:\|\w+)+)\}", path)
    if choice is None:
        yield re.sub(r"\{(\w+)\}", lambda name: name[1].removesuffix("_id").upper(), path)
        return
    for word in choice[1].split("|"):
        yield from each_path(path.replace(choice[0], word))


def reached(functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef], name: str) -> list[ast.AST]:
    """Returns a function and the functions of its module that it calls, each once."""
    names = [name]
    for each in names:  # grows while it is listed
        called = [node.func for node in ast.walk(functions[each]) if isinstance(node, ast.Call)]
        own = [func.id for func in called if isinstance(func, ast.Name) and func.id in functions]
        names += [one for one in dict.fromkeys(own) if one not in names]
    return [functions[each] for each in names]


def read(function: ast.AST) -> Iterator[str]:
    """Yields the fields that a function reads directly."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if name in READERS and words:
            yield words[0]
        elif name in TIME_READERS:
            yield from (field for word in words for field in (word, f"{word}_time"))
        elif name == "get" and words and ast.unparse(node.func) in GETTERS:
            yield words[0]
