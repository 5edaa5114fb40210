from __future__ import annotations

import check_release
import pytest

CHANGELOG = "# Changes\n\n## [1.2.3] - 2026-12-01\n\n### Added\n"


def test_a_tag_that_is_the_version_may_be_released() -> None:
    assert list(check_release.faults_of("1.2.3", "1.2.3", CHANGELOG)) == []


@pytest.mark.parametrize("tag", ["v1.2.3", "1.2.4", "1.2", "", "1.2.3 "])
def test_a_tag_that_is_not_the_version_is_refused(tag: str) -> None:
    """With a `v` too: the registry would show a version that the module does not report."""
    assert list(check_release.faults_of(tag, "1.2.3", CHANGELOG)) == [
        f"the tag is {tag!r}, src/viam_billing/version.py says '1.2.3'."
    ]


@pytest.mark.parametrize(
    "heading", ["", "## [Unreleased]", "## [1.2.3]", "## [1.2.3] - soon", "## [1x2x3] - 2026-12-01"]
)
def test_a_version_without_its_day_in_the_changelog_is_refused(heading: str) -> None:
    assert list(check_release.faults_of("1.2.3", "1.2.3", f"# Changes\n\n{heading}\n")) == [
        "CHANGELOG.md has no heading `## [1.2.3] - YYYY-MM-DD`."
    ]


def test_the_checkouts_own_version_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_release.main("no version at all") == 1
    assert "viam-billing release: the tag is 'no version at all'" in capsys.readouterr().err
