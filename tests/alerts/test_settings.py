"""What the settings may say of alerts, and that what cannot work is one sentence without a secret."""

from datetime import timedelta
from pathlib import Path

import pytest

from cadence_sync.alerts.events import Event
from cadence_sync.alerts.routing import build_routing
from cadence_sync.config.alerts import RuleSettings
from cadence_sync.config.settings import Settings, load_settings
from cadence_sync.errors import SettingsError

CHANNEL = '[alerts.channels.chat]\nurl = "slack://secret-4722"\n'


def loaded(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    file.chmod(0o600)
    return load_settings(file)


WRONG = [
    ('[[alerts.rules]]\nchannels = ["chta"]', "alerts in {file} cannot work: rule 1 names the channel 'chta'"),
    ("[[alerts.rules]]\nchannels = []", "alerts.rules.channels in {file} (rule 1) cannot work: it must not be empty"),
    ('[[alerts.rules]]\nchannels = ["chat"]\nkinds = ["removed"]', "(rule 1) cannot work: expected 'created'"),
    ('[[alerts.rules]]\nchannels = ["chat"]\nevents = ["all"]', "alerts.rules.events in {file} (rule 1)"),
    ('[[alerts.rules]]\nchannels = ["chat"]\nfields = ["stauts"]', "no field is called 'stauts'"),
    ('[[alerts.rules]]\nchannels = ["chat"]\nname = " "', "an empty pattern"),
    ('[[alerts.rules]]\nchannels = ["chat"]\nevents = ["held"]\npersons = ["1"]', "events leaves them out"),
    ('[[alerts.rules]]\nchannels = ["chat"]\nnmae = "x"', "no setting 'alerts.rules.nmae' (rule 1)"),
    ('[alerts.channels.b]\nurl = "no address 4722"', "alerts.channels.b in {file} cannot work: expected an address"),
    ('[alerts.channels.b]\ndigest = "1h"', "either url or webhook"),
    ('[alerts.channels.b]\nurl = "json://4722"\ndigest = "2h"', "alerts.channels.b.digest"),
    ('[alerts.channels.b]\nwebhook = "https://h/4722"\nsecret = "short-4722"', "at least 16 characters"),
    ('[alerts.channels.b]\nwebhook = "https://h/4722"\nsecret = "long-enough-secret-4722,short-4722"', "at least 16"),
    ('[alerts.channels.b]\nwebhook = "https://h/4722"\nsecret = "long-enough-secret-4722,"', "at least 16"),
    ('[alerts.channels.b]\nwebhook = "https://h/4722"\nsecret = ["long-enough-secret-4722", ""]', "at least 16"),
    ('[alerts.channels.b]\nwebhook = "https://h/4722"\nsecret = []', "at least 16"),
    ('[alerts.channels.b]\nwebhook = "https://h/4722"\nsecret = ""', "it must not be empty"),
    ('[alerts.channels.b]\nwebhook = "http://h.test/4722"\nsecret = "long-enough-secret"', "plain http"),
    ('[alerts.channels.b]\nurl = "json://4722"\nsecret = "long-enough-secret-4722"', "only a webhook"),
    ('[alerts.channels.b]\nurl = "  "', "alerts.channels.b.url in {file} cannot work: it must not be empty"),
    ('[alerts.channels.b]\nwebhook = ""', "alerts.channels.b.webhook in {file} cannot work: it must not be empty"),
    ('[alerts.channels.b]\nwebhook = "https://h/4722"\nsecret = " "', "channels.b.secret in {file} cannot work"),
    ('[alerts.channels.b]\nwebhook = "https://h/4722"\nsecret_file = "/dev/null"', "secret_file names an empty file"),
    ('[alerts.channels.b]\nurl_env = "NOT_SET_ANYWHERE"', "NOT_SET_ANYWHERE, which is not set"),
    ('[alerts.channels.b]\nurl_file = "/nowhere/at/all"', "cannot be read"),
    ('[alerts.channels.b]\nurl = "json://4722"\nurl_env = "HOME"', "exclude each other"),
    ('[alerts.channels."a b"]\nurl = "json://4722"', "a channel cannot be called 'a b'"),
    ('[alerts]\nfailing_after = "often"', "alerts.failing_after in {file} cannot work: expected a whole number."),
    ("[alerts]\nfailing_after = 0", "expected 1 or more."),
    ('[alerts]\nstale_after = "soon"', "expected seconds or a time"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), WRONG, ids=[text[-60:] for text, _ in WRONG])
def test_what_cannot_work_is_said_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, f"{CHANNEL}{text}")
    assert words.format(file=tmp_path / "settings.toml") in caught.value.message
    assert "\n" not in caught.value.message
    assert "4722" not in f"{caught.value.message} {caught.value.hint}"


def test_secrets_may_come_from_files_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_URL", "slack://from-a-variable")
    (tmp_path / "secret").write_text("the-secret-of-a-webhook\n")
    settings = loaded(
        tmp_path,
        '[alerts.channels.chat]\nurl_env = "CHAT_URL"\n'
        f'[alerts.channels.hook]\nwebhook = "https://h.test/x"\nsecret_file = "{tmp_path}/secret"',
    )
    chat, hook = settings.alert_channels.values()
    assert chat.url is not None
    assert hook.secret is not None
    assert chat.url.get_secret_value() == "slack://from-a-variable"
    assert [secret.get_secret_value() for secret in hook.secret] == ["the-secret-of-a-webhook"]
    assert not [word for word in ("from-a", "h.test", "the-secret") if word in repr(settings)]


@pytest.mark.parametrize(
    "spelled",
    [
        'secret = "new-secret-of-a-hook, old-secret-of-a-hook"',
        'secret = ["new-secret-of-a-hook", "old-secret-of-a-hook"]',
        'secret_env = "HOOK_SECRETS"',
        'secret_file = "{folder}/secrets"',
    ],
)
def test_a_webhook_may_have_several_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelled: str) -> None:
    monkeypatch.setenv("HOOK_SECRETS", "new-secret-of-a-hook,old-secret-of-a-hook")
    (tmp_path / "secrets").write_text("new-secret-of-a-hook\nold-secret-of-a-hook\n")
    text = f'[alerts.channels.hook]\nwebhook = "https://h.test/x"\n{spelled.format(folder=tmp_path)}'
    secrets = loaded(tmp_path, text).alert_channels["hook"].secret or []
    assert [secret.get_secret_value() for secret in secrets] == ["new-secret-of-a-hook", "old-secret-of-a-hook"]


def test_a_list_of_addresses_is_reported_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CADENCE_SYNC_ALERT_URLS", "slack://a/b/c, mailtos://u:p@x.test?to=a@x.test,b@x.test")
    settings = loaded(tmp_path, f'{CHANNEL}[[alerts.rules]]\nchannels = ["chat"]\nevents = ["held"]')
    assert list(settings.alert_channels) == ["chat", "url-1", "url-2"]
    rules = build_routing(settings)
    assert rules.channels_for(Event.STALE, "x") == ["url-1", "url-2"]
    assert rules.channels_for(Event.HELD, "x") == ["chat", "url-1", "url-2"]


def test_without_rules_every_channel_is_reported_everything_and_a_filter_of_changes_asks_for_changes(
    tmp_path: Path,
) -> None:
    assert build_routing(loaded(tmp_path, "")).rules == ()
    assert build_routing(loaded(tmp_path, CHANNEL)).rules == (RuleSettings(channels=["chat"]),)
    settings = loaded(
        tmp_path, f'{CHANNEL}digest = "1d"\n[[alerts.rules]]\nchannels = ["chat"]\nfields = ["summary.*"]'
    )
    rules = build_routing(settings)
    (rule,) = rules.rules
    assert (rule.channels, rule.topics, rule.fields) == (["chat"], ["changes"], ["summary.*"])
    assert rules.digests == {"chat": timedelta(days=1)}


def test_a_variable_that_is_no_json_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CADENCE_SYNC_ALERTS", "secret-4722")
    with pytest.raises(SettingsError, match="CADENCE_SYNC_ALERTS is not a JSON object"):
        loaded(tmp_path, "")


def test_a_file_with_addresses_that_others_may_read_is_warned_of(tmp_path: Path) -> None:
    loaded(tmp_path, CHANNEL)
    file = tmp_path / "settings.toml"
    assert load_settings(file).exposed_files == ()
    file.chmod(0o644)
    assert load_settings(file).exposed_files == (file,)
