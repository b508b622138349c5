"""What libraries log is one event like any other."""

import json
import logging
from collections.abc import Iterator

import pytest

from cadence_sync.logs import configure_logs, forward_libraries


@pytest.fixture(autouse=True)
def _root() -> Iterator[None]:
    before = [*logging.getLogger().handlers]
    yield
    logging.getLogger().handlers[:] = before
    configure_logs("INFO")


def test_a_librarys_warning_is_json_and_tells_no_text_of_an_exception(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO")
    forward_libraries()
    logger = logging.getLogger("some.library")
    logger.info("nothing of note")
    logger.error("A job of %s failed.", "org-1", exc_info=ValueError("secret"))
    event = json.loads(capsys.readouterr().err)
    assert (
        event.items()
        >= {
            "event": "library",
            "level": "error",
            "logger": "some.library",
            "message": "A job of org-1 failed.",
            "error": "ValueError",
        }.items()
    )
