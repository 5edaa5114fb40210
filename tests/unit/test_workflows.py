"""Checks the workflow files: actions are pinned, targets exist, permissions are narrow, secrets go to one action."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.yml"))}
EACH = pytest.mark.parametrize("name", WORKFLOWS)
ALL = "\n".join(WORKFLOWS.values())
PROJECT = (ROOT / "pyproject.toml").read_text()
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def values(text: str, key: str) -> list[str]:
    """Return every value of a key, without quotes."""
    return [value.strip().strip('"') for value in re.findall(rf"^[ -]*{key}: (.+)$", text, re.MULTILINE)]


def pythons(text: str) -> set[str]:
    """Return the Python versions that a text names in quotes."""
    return set(re.findall(r'"(3\.\d+)"', text))


def jobs(name: str) -> dict[str, str]:
    """Return the text of each job of a workflow."""
    _, _, text = WORKFLOWS[name].partition("\njobs:\n")
    parts = re.split(r"^  ([\w-]+):\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_there_are_workflows_for_tests_builds_releases_and_security() -> None:
    assert set(WORKFLOWS) == {"build.yml", "release.yml", "security.yml", "test.yml"}


@EACH
def test_every_action_is_pinned(name: str) -> None:
    """To a full commit, with its version in a comment for Dependabot; files of this repository are not."""
    used = values(WORKFLOWS[name], "uses")
    assert used
    for action in used:
        assert re.fullmatch(r"[\w.-]+(/[\w.-]+){1,2}@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) or (
            action.startswith("./.github/workflows/") and (ROOT / action).is_file()
        ), action


def test_an_action_is_pinned_to_one_commit_everywhere() -> None:
    pinned = {re.sub(r"^([\w.-]+/[\w.-]+)[^@]*", r"\1", use) for use in values(ALL, "uses") if not use.startswith("./")}
    assert len(pinned) == len({action.partition("@")[0] for action in pinned})


@EACH
def test_a_workflow_may_only_read(name: str) -> None:
    """Said at its top for all jobs; nothing of a fork runs with this repository's rights."""
    assert re.findall(r"^permissions:.*\n(?:^ +.*\n)*", WORKFLOWS[name], re.MULTILINE) == [
        "permissions:\n  contents: read\n"
    ]
    assert "pull_request_target" not in WORKFLOWS[name]
    assert WORKFLOWS[name].count("persist-credentials: false") == WORKFLOWS[name].count("actions/checkout@")


def test_a_job_that_may_write_runs_nothing_but_actions_and_the_release() -> None:
    """None runs code of this repository or of a package; findings and the release's files are all that is written."""
    widened = {(name, job): text for name in WORKFLOWS for job, text in jobs(name).items() if "permissions:" in text}
    assert {where: set(re.findall(r"^ +([\w-]+): write$", text, re.MULTILINE)) for where, text in widened.items()} == {
        ("security.yml", "codeql"): {"security-events"},
        ("security.yml", "scorecard"): {"security-events"},
        ("release.yml", "assets"): {"attestations", "contents", "id-token"},
    }
    assert [where for where, text in widened.items() if re.search(r"\b(make|pip|uv|npm)\b|\.sh\b", text)] == []


def test_a_release_has_checksums_a_list_of_packages_and_its_origin() -> None:
    """All of what is attached, made from what was tested in the same run."""
    assets = jobs("release.yml")["assets"]
    assert "sha256sum -- * >" in assets
    assert "mv artifacts/sbom/sbom.cdx.json assets/" in assets
    assert re.search(r"attest-build-provenance@.*\n +with:\n +subject-path: assets/\*\n", assets)
    assert "assets/*\n" in next(line for line in assets.splitlines(keepends=True) if "gh release create" in line)


def test_known_vulnerabilities_are_looked_for_at_each_change_and_weekly() -> None:
    """In every lock; a package that cannot be looked up is a failure too."""
    assert "make audit" in values(WORKFLOWS["test.yml"], "run")
    assert "  schedule:\n" in WORKFLOWS["test.yml"]
    recipe = re.search(r"^audit:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    assert {"--strict", "--require-hashes"} <= set(recipe[1].split())
    assert "requirements/*.txt" in recipe[1]


def test_what_a_workflow_downloads_by_itself_is_viam_server_alone() -> None:
    """It moves and has no checksum here, so the job that runs it has no secret; all else is locked or pinned."""
    fetching = [(name, job) for name in WORKFLOWS for job, text in jobs(name).items() if re.search(r"curl|wget", text)]
    assert fetching == [("test.yml", "viam-server")]
    assert "secrets" not in jobs("test.yml")["viam-server"]


def test_secrets_go_to_viams_action_and_nowhere_else() -> None:
    """As inputs; no command sees them, so none can print them."""
    assert "secrets: inherit" not in ALL
    assert {line.strip() for line in ALL.splitlines() if "secrets" in line} == {
        "key-id: ${{ secrets.viam_key_id }}",
        "key-value: ${{ secrets.viam_key_value }}",
    }


@EACH
def test_no_command_is_put_together_from_a_name(name: str) -> None:
    """A branch or tag can be named like a command: commands take such values from the environment."""
    for line in WORKFLOWS[name].splitlines():
        if "${{" in line:
            assert re.match(r"^ *(- )?(?!run:)[\w-]+: ", line), line


def test_the_suite_runs_with_every_python_that_is_promised() -> None:
    """The classifiers, which start with requires-python, are the matrix; no job takes another."""
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PROJECT)
    matrix = re.search(r"python: \[(.+)\]", WORKFLOWS["test.yml"])
    assert matrix
    assert re.findall(r'"(3\.\d+)"', matrix[1]) == promised
    assert f'requires-python = ">={promised[0]}"' in PROJECT
    assert pythons(ALL) == set(promised)


def test_the_oldest_and_the_newest_libraries_are_tried() -> None:
    """The oldest on the oldest Python, the newest on the newest."""
    tried = re.findall(r'resolution: ([a-z-]+)\n +python: "(3\.\d+)"', WORKFLOWS["test.yml"])
    versions = re.findall(r"Python :: (3\.\d+)", PROJECT)
    assert tried == [("lowest-direct", versions[0]), ("highest", versions[-1])]


def test_both_processors_are_tried() -> None:
    """In the tests and in the builds, as meta.json promises."""
    for name in ("test.yml", "build.yml"):
        assert {"ubuntu-24.04", "ubuntu-24.04-arm"} <= set(re.findall(r"[\w.-]+", WORKFLOWS[name]))


def test_every_make_target_exists() -> None:
    """Those in commands, and those in the builds' matrix."""
    named = {*re.findall(r"\bmake ([a-z0-9-]+)", ALL), *values(ALL, "target")} - {"${{ matrix.target }}"}
    assert {
        "test",
        "coverage",
        "test-arm64",
        "tools",
        "audit",
        "sbom",
        "build",
        "test-archive",
        "test-viam-server",
        "check-release",
    } <= named
    assert named <= TARGETS


def test_nothing_is_published_untested() -> None:
    """The release waits for its version's check, the tests and the builds."""
    release = WORKFLOWS["release.yml"]
    assert re.search(r"^  publish:\n    needs: \[test, build\]$", release, re.MULTILINE)
    for job in ("test", "build"):
        assert f"  {job}:\n    needs: version\n    uses: ./.github/workflows/{job}.yml\n" in release


@EACH
def test_every_job_has_an_end(name: str) -> None:
    """Jobs that call a workflow have theirs there."""
    text = WORKFLOWS[name]
    assert len(values(text, "runs-on")) == len(values(text, "timeout-minutes")) > 0
