"""What people write of an organization: each thing that cannot work is one sentence, before anything is asked."""

import pytest

from cadence_sync.cli.new_org import parse_new_org
from cadence_sync.config.orgs import Schedule
from cadence_sync.config.settings import Settings
from cadence_sync.errors import ArgumentError

GOOD = {"org_id": "acme", "client_id": "id", "client_secret": "secret", "refresh_token": "token"}


@pytest.mark.parametrize(
    ("changes", "words", "code"),
    [
        ({"cron": "every day"}, "cron 'every day' cannot work", "BAD_SCHEDULE"),
        ({"cron": "0 0 31 2 *"}, "never comes", "BAD_SCHEDULE"),
        ({"cron": "0 9 * * *", "time_zone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'", "BAD_SCHEDULE"),
        ({"time_zone": "Europe/Paris"}, "needs a cron line", "BAD_SCHEDULE"),
        ({"interval": "15m", "cron": "0 9 * * *"}, "not both", "BAD_SCHEDULE"),
        ({"interval": "soon"}, "interval 'soon' cannot work", "BAD_SCHEDULE"),
        ({"interval": "0"}, "at least a second", "BAD_SCHEDULE"),
        ({"interval": "9" * 400}, "at most a year", "BAD_SCHEDULE"),
        ({"data_center": "mars"}, "no data center 'mars'", "BAD_ARGUMENT"),
        ({"api_url": "http://zoho.example.com"}, "loopback", "BAD_ARGUMENT"),
        ({"accounts_url": "https://a:b@zoho.example.com"}, "credentials", "BAD_ARGUMENT"),
        ({"client_secret": None}, "client secret of the organization is missing", "BAD_ARGUMENT"),
        ({"client_id": " ", "client_secret": None}, "client id and the client secret", "BAD_ARGUMENT"),
        ({"refresh_token": None}, "no refresh token and no grant code", "BAD_ARGUMENT"),
        ({"grant_code": "code"}, "both a refresh token and a grant code", "BAD_ARGUMENT"),
        ({"org_id": None}, "has no id", "BAD_ARGUMENT"),
        ({"org_id": "\x1b[2J"}, "cannot be called", "BAD_ARGUMENT"),
        ({"org_id": "\ud800"}, "cannot be called", "BAD_ARGUMENT"),
        ({"org_id": "x" * 101}, "cannot be called", "BAD_ARGUMENT"),
        ({"org_id": "--org"}, "cannot be called", "BAD_ARGUMENT"),
    ],
)
def test_what_cannot_work(changes: dict[str, str | None], words: str, code: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        parse_new_org(Settings(), GOOD | changes)
    assert words in caught.value.message
    assert caught.value.code == code
    assert "secret'" not in caught.value.message


def test_the_client_of_the_settings_serves_all_but_never_its_secret_another_client() -> None:
    settings = Settings(zoho_client_id="ours", zoho_client_secret="our-secret", zoho_data_center="eu")  # type: ignore[arg-type]
    bare = {"org_id": "acme", "refresh_token": "token"}
    org = parse_new_org(settings, bare).org
    assert (org.client_id, org.client_secret, org.data_center) == ("ours", "our-secret", "eu")
    with pytest.raises(ArgumentError, match="client secret"):
        parse_new_org(settings, bare | {"client_id": "theirs"})


def test_a_schedule_is_what_was_written_or_nothing() -> None:
    assert parse_new_org(Settings(), GOOD).schedule is None
    assert parse_new_org(Settings(), GOOD | {"interval": "90s"}).schedule == Schedule(90)
    cron = GOOD | {"cron": "0 9 * * 1-5", "time_zone": "Europe/Paris"}
    assert parse_new_org(Settings(), cron).schedule == Schedule(None, "0 9 * * 1-5", "Europe/Paris")
