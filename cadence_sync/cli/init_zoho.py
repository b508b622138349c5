"""The wizard's second and third question: where the organization lives, and what lets its cadences be read."""

from collections.abc import Mapping
from typing import Final, get_args

from cadence_sync.cli.init_asking import tell, valid, word, word_or_nothing
from cadence_sync.cli.new_org import parse_new_org
from cadence_sync.cli.output import show_error
from cadence_sync.cli.prompts import confirm
from cadence_sync.cli.run import run
from cadence_sync.config.orgs import OrgConfig
from cadence_sync.config.settings import DEFAULT_ORG, DataCenter, Settings
from cadence_sync.errors import ArgumentError, CadenceSyncError, TransientError
from cadence_sync.orgs.onboarding import SPENT, InMemoryTokenCache, verify_credentials
from cadence_sync.zoho.data_centers import DATA_CENTERS, sites
from cadence_sync.zoho.errors import SCOPE

_CENTERS: Final = get_args(DataCenter)
_CLIENT: Final = """\
Open {console}
  1. Make a Self Client. Its page "Client Secret" shows the client's id and its secret.
  2. On the page "Generate Code" enter this scope, ten minutes, and any description:

       {scope}

     The user who does so needs the permission "Manage Cadences" in Zoho CRM.
  3. The code is good for one try, and only as many minutes as you chose: have it ready last.
"""
_AGAIN: Final = {
    "WRONG_DATA_CENTER": ("data_center", "grant_code"),
    "INVALID_CLIENT": ("client_id", "client_secret"),
    "INVALID_CLIENT_SECRET": ("client_secret",),
}
"""What is asked for anew after a refusal; after any other it is the code."""


def ask_for_access(settings: Settings, data_center: str | None) -> OrgConfig:
    """Return an organization whose cadences could be read a moment ago."""
    known: dict[str, str | None] = {"org_id": DEFAULT_ORG, "data_center": data_center}
    former: dict[str, str | None] = {"data_center": settings.zoho_data_center}
    quick = settings.model_copy(update={"zoho_max_attempts": 1})  # whoever sits there decides whether to try again
    tell("\n2. Zoho: where does the organization live? See the address of your CRM in the browser.")
    for name in DATA_CENTERS:
        tell(f"     {name:3} {sites(name)[0]}")
    shown = None
    while True:
        if not known.get("data_center"):
            known["data_center"] = valid("Data center", known_data_center, default=former["data_center"])
        if shown != known["data_center"]:
            shown = known["data_center"]
            tell("\n3. Access. " + _CLIENT.format(console=sites(shown or "us")[1], scope=SCOPE))
        _ask_for_the_rest(known, former)
        former, held = dict(known), InMemoryTokenCache()
        try:
            org = run(verify_credentials(quick, parse_new_org(settings, known), held))
        except CadenceSyncError as error:
            _forget_what_is_wrong(error, known, held)
            if error.code == "WRONG_DATA_CENTER":
                former["data_center"] = None
            continue
        tell("   Zoho lets cadence-sync read the cadences.")
        return org


def _forget_what_is_wrong(error: CadenceSyncError, known: dict[str, str | None], held: InMemoryTokenCache) -> None:
    """Say what went wrong; what it was not is kept, and after a failure of the network that is everything."""
    again = _AGAIN.get(error.code, ("grant_code", "refresh_token"))
    if isinstance(error, TransientError):
        if held.refresh_token is not None:
            known["grant_code"], known["refresh_token"] = None, held.refresh_token
        show_error(TransientError(error.message, hint=error.hint.replace(SPENT, "").strip(), code=error.code))
        again = () if confirm("Try again?", default=True) else ("data_center", "client_id", "client_secret", *again)
    else:
        show_error(error)
    for name in again:
        known[name] = None


def _ask_for_the_rest(known: dict[str, str | None], former: Mapping[str, str | None]) -> None:
    if not known.get("client_id"):
        known["client_id"] = valid("Client id", word, default=former.get("client_id"))
    if not known.get("client_secret"):
        known["client_secret"] = valid("Client secret", word, hidden=True)
    if not known.get("grant_code") and not known.get("refresh_token"):
        question = "Grant code (empty if you have a refresh token)"
        known["grant_code"] = valid(question, word_or_nothing, hidden=True, default="")
        if not known["grant_code"]:
            known["refresh_token"] = valid("Refresh token", word, hidden=True)


def known_data_center(text: str) -> str:
    """Return a data center as the settings spell it."""
    if text.lower() not in _CENTERS:
        raise ArgumentError(f"There is no data center {text!r}.", hint=f"Known: {', '.join(_CENTERS)}.")
    return text.lower()
