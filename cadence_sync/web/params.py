"""What an address asks for: its filters, read once and strictly."""

from collections.abc import Collection, Mapping, Sized

from aiohttp import web

from cadence_sync.errors import ArgumentError, NotFoundError

LONGEST = 200
PAGES = 100_000


def words(request: web.Request, name: str) -> str | None:
    """Return what is looked for, without the white space around it; None where nothing is."""
    found = request.query.get(name, "").strip()
    if len(found) > LONGEST or "\0" in found:
        raise ArgumentError(f"The filter {name!r} is too long, or no text.", hint="Look for less.")
    return found or None


def one_of(request: web.Request, name: str, allowed: Collection[str]) -> str | None:
    """Return one of some words; None where nothing is asked for."""
    found = words(request, name)
    if found is not None and found not in allowed:
        raise ArgumentError(f"The filter {name!r} cannot be {found!r}.", hint=f"One of: {', '.join(allowed)}.")
    return found


def number(request: web.Request, name: str, *, default: int = 1, most: int = PAGES) -> int:
    """Return a whole number from 1."""
    found = words(request, name)
    if found is None:
        return default
    if not found.isascii() or not found.isdigit() or not 1 <= int(found) <= most:
        raise ArgumentError(f"The filter {name!r} is no number from 1 to {most}.", hint="Start again without it.")
    return int(found)


def check_page(page: int, rows: Sized) -> None:
    """Refuse a page past the last: shown without its rows, it would say that there are none at all."""
    if page > 1 and not len(rows):
        raise NotFoundError(f"There is no page {page}.", hint="Start again from the first.")


async def form(request: web.Request) -> Mapping[str, str]:
    """Return what a form sent as text: no files, for which the page has no field, and nothing that nobody can see."""
    refusal = ArgumentError("That form cannot be read.", hint="Go back, load the page anew, try again.")
    if request.content_type.startswith("multipart/"):
        raise refusal
    try:
        sent = await request.post()
    except (LookupError, ValueError) as error:  # a charset that nobody knows, or bytes that are not of it
        raise refusal from error
    return {name: value for name, value in sent.items() if isinstance(value, str) and value.isprintable()}
