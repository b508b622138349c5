from itertools import permutations

import pytest

from cadence_sync.core.report import Counters, ErrorInfo, Outcome, Report, most_severe, outcome_of
from cadence_sync.errors import (
    AccessError,
    CadenceSyncError,
    DatabaseError,
    InconsistentListingError,
    InvalidResponseError,
    OrgBusyError,
    SettingsError,
    TransientError,
)

FAILURES: list[tuple[type[CadenceSyncError], int]] = [
    (SettingsError, 2),
    (AccessError, 3),
    (TransientError, 4),
    (InvalidResponseError, 4),
    (InconsistentListingError, 4),
    (DatabaseError, 5),
    (OrgBusyError, 8),
    (CadenceSyncError, 1),
]


def _report(outcome: Outcome, error: CadenceSyncError | None = None) -> Report:
    return Report("org", 1, outcome, Counters(), error=ErrorInfo.of(error) if error else None)


def _exit(code: int) -> Report:
    ended = {0: Outcome.SUCCEEDED, 6: Outcome.HELD, 7: Outcome.PARTIAL}
    if code in ended:
        return _report(ended[code])
    return Report("org", 1, Outcome.FAILED, Counters(), error=ErrorInfo("CODE", "Text.", "", code))


@pytest.mark.parametrize(
    ("counters", "outcome", "code"),
    [
        (Counters(), Outcome.SUCCEEDED, 0),
        (Counters(seen=3, updated=3, deleted=5), Outcome.SUCCEEDED, 0),
        (Counters(seen=1, quarantined=1), Outcome.PARTIAL, 7),
        (Counters(held=1), Outcome.HELD, 6),
        (Counters(seen=1, quarantined=1, held=1), Outcome.HELD, 6),
    ],
)
def test_an_applied_run_ends_by_its_counters(counters: Counters, outcome: Outcome, code: int) -> None:
    assert outcome_of(counters) is outcome
    assert _report(outcome).exit_code == code


@pytest.mark.parametrize(("error", "code"), FAILURES)
def test_a_failed_run_exits_with_the_code_of_its_error(error: type[CadenceSyncError], code: int) -> None:
    assert _report(Outcome.FAILED, error("Text.")).exit_code == code


@pytest.mark.parametrize(
    ("graver", "lighter"), [(5, 3), (3, 2), (2, 4), (4, 8), (8, 1), (1, 6), (8, 6), (6, 7), (7, 0)]
)
def test_of_two_outcomes_the_graver_decides(graver: int, lighter: int) -> None:
    for pair in permutations([graver, lighter]):
        assert most_severe(_exit(code).exit_code for code in pair) == graver


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 7, 6, 0], 6),
        ([8, 4, 2, 3, 5, 1, 6, 7, 0], 5),
        ([0, 6, 8, 4], 4),
        ([0, 9], 9),  # a code that nobody ranked yet is no success
    ],
)
def test_one_exit_code_stands_for_all(codes: list[int], expected: int) -> None:
    assert most_severe(_exit(code).exit_code for code in codes) == expected


def test_a_report_is_reported_in_the_documented_keys() -> None:
    counters = Counters(seen=7, baseline=1, created=1, updated=1, deleted=2, restored=1, unchanged=2, quarantined=1)
    report = Report("org", 5, Outcome.PARTIAL, counters, api_calls=3, duration_seconds=0.25)
    assert report.to_json() == {
        "org_id": "org",
        "run_id": 5,
        "outcome": "partial",
        "seen": 7,
        "baseline": 1,
        "created": 1,
        "updated": 1,
        "deleted": 2,
        "restored": 1,
        "unchanged": 2,
        "quarantined": 1,
        "held": 0,
        "api_calls": 3,
        "duration_seconds": 0.25,
        "error": None,
    }


def test_an_error_is_reported_with_its_code_its_message_and_its_hint() -> None:
    reported = _report(Outcome.FAILED, SettingsError("No.", hint="Do.", code="ORG_UNKNOWN")).to_json()
    assert reported["error"] == {"code": "ORG_UNKNOWN", "message": "No.", "hint": "Do."}
    assert reported["outcome"] == "failed"


def test_a_failure_before_an_organization_is_known_is_reported_in_nulls() -> None:
    problem = ErrorInfo.of(DatabaseError("No.", code="NOT_MIGRATED"))
    reported = Report(None, None, Outcome.FAILED, None, error=problem).to_json()
    assert {key for key, value in reported.items() if value is not None} == {"outcome", "error"}
    assert list(reported) == list(_report(Outcome.SUCCEEDED).to_json())
    assert (problem.code, problem.hint) == ("NOT_MIGRATED", DatabaseError.default_hint)


def test_what_was_there_at_the_first_look_is_no_change() -> None:
    assert Counters(seen=9, baseline=4, created=1, updated=2, restored=1, unchanged=1, deleted=3, held=5).versions == 7
