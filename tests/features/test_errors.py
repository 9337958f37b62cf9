from __future__ import annotations

import pytest

from features import errors
from features.errors import AdvisorError, CatalogueError, DataError, ModelError, PlanError, UsageError
from features.issues import DataIssue, worst_first


def _all(base: type[AdvisorError]) -> list[type[AdvisorError]]:
    return [base, *(leaf for child in base.__subclasses__() for leaf in _all(child))]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError, 2),
        (errors.SiteFileError, 2),
        (errors.MappingFileError, 2),
        (errors.CatalogueError, 2),
        (errors.DataError, 3),
        (errors.UnreadableFileError, 3),
        (errors.UnrecognisedError, 3),
        (errors.QuestionError, 3),
        (errors.InsufficientDataError, 3),
        (errors.ModelError, 2),
        (errors.PlanError, 1),
    ],
)
def test_exit_codes_are_the_contract(error, code):
    assert error.exit_code == code


def test_every_error_is_in_one_tree_and_named_in_its_picture():
    for error in _all(AdvisorError):
        assert error.__name__ in (errors.__doc__ or "")


def test_the_text_says_what_where_and_what_to_do():
    error = CatalogueError("E-MEASURE-KEY", "unknown key", "p01.toml, key colour", "remove it")
    assert str(error).splitlines() == [
        "E-MEASURE-KEY: unknown key",
        "  Where: p01.toml, key colour",
        "  What to do: remove it",
    ]
    assert error.to_dict() == {
        "code": "E-MEASURE-KEY",
        "what": "unknown key",
        "where": "p01.toml, key colour",
        "remedy": "remove it",
    }
    assert str(PlanError("E-PLAN", "refused")) == "E-PLAN: refused"


def test_usage_and_data_errors_are_value_errors_and_models_are_not():
    assert issubclass(UsageError, ValueError)
    assert issubclass(DataError, ValueError)
    assert not issubclass(ModelError, ValueError)


def _issue(severity, code="D-X"):
    return DataIssue(code, severity, "file.csv", "3 rows", "look at them", rows=3)


def test_issues_are_sorted_worst_first_and_keep_their_order():
    issues = (_issue("info", "D-1"), _issue("error", "D-2"), _issue("warning", "D-3"), _issue("error", "D-4"))
    assert [i.code for i in worst_first(issues)] == ["D-2", "D-4", "D-3", "D-1"]


@pytest.mark.parametrize(
    "fields",
    [
        ("D-X", "fatal", "p", "e", "r"),
        ("", "info", "p", "e", "r"),
        ("D-X", "info", "", "e", "r"),
        ("D-X", "info", "p", "", "r"),
        ("D-X", "info", "p", "e", ""),
    ],
)
def test_an_incomplete_issue_is_refused(fields):
    with pytest.raises(ValueError, match=r"severity|needs"):
        DataIssue(*fields)


def test_negative_rows_are_refused():
    with pytest.raises(ValueError, match="negative"):
        DataIssue("D-X", "info", "p", "e", "r", rows=-1)
