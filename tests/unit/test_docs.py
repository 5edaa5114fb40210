"""The documentation against the code: nothing missing, nothing that does not exist, every link leads somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.documentation import (
    BILLING,
    CHANGELOG,
    CHARGING,
    CODE,
    GUIDE,
    README,
    ROOT,
    anchors,
    documented_default,
    field_of,
    leaf_errors,
    own_default,
    prose,
    sections,
    table,
)
from viam_billing.commands import COMMANDS, EFFECTS
from viam_billing.settings.attributes import GROUPS, Attributes, Budget, ChargeLimits
from viam_billing.version import BILLING_MODEL, MODULE_ID, MODULE_NAME, NAMESPACE, VERSION

PAGES = [README, CHANGELOG, ROOT / ".github" / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]

ABOUT_ALL_COMMANDS = {"Example DoCommand", "Commands", "Fields of every answer", "Changes", "Fields of an entry"}
"""Sections under DoCommand that are no command's own."""

FIELDS_OF_MANY = ("Fields of every answer", "Changes", "Fields of an entry")
"""Sections about fields that the answers of several commands have."""

CLOUD_CALLS = {"list_locations", "get_location"}
"""Names in an answer of check_access that are calls of the cloud and no commands."""

FILE_NAME = re.compile(r'^_?FILE_NAME: Final = "(.+)"$', re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\((?!https?://)([^)]+)\)")
OTHER_NAME = re.compile(r"Other name: `(\w+)`")
LIKE_A_COMMAND = re.compile(r"(get|send|update|charge|create|check|list|reconcile|resolve)_\w+")


PAGE = prose(BILLING)
ATTRIBUTES = table(sections(sections(PAGE, 2)["Configuration"], 3)["Attributes"], "Name")
COMMAND_SECTIONS = sections(sections(PAGE, 2)["DoCommand"], 3)
ERROR_TABLE = table(sections(PAGE, 2)["Errors"], "Code")
PARAMETERS = [
    pytest.param(command, field.name, id=f"{command.name}.{field.name}")
    for command in COMMANDS.values()
    for field in msgspec.structs.fields(command.parameters)
]
ATTRIBUTE_NAMES = [field.name for field in msgspec.structs.fields(Attributes)]


def parameters_of(command: str) -> dict[str, list[str]]:
    """The parameters' table in a command's section."""
    return table(COMMAND_SECTIONS[command], "Name")


def test_the_model_page_is_laid_out_as_the_cli_generates_it() -> None:
    """Title, Configuration with Attributes and Example Configuration, DoCommand with Example DoCommand."""
    headings = re.findall(r"^#{1,3} .+$", PAGE, re.MULTILINE)
    expected = [
        f"# Model {BILLING_MODEL}",
        "## Configuration",
        "### Attributes",
        "### Example Configuration",
        "## DoCommand",
        "### Example DoCommand",
    ]
    assert [heading for heading in headings if heading in expected] == expected


def test_every_command_has_its_section_and_no_other_command_has_one() -> None:
    """The sections below DoCommand are the table of commands and those about all of them."""
    assert COMMAND_SECTIONS.keys() == COMMANDS.keys() | ABOUT_ALL_COMMANDS


@pytest.mark.parametrize("page", [README, BILLING], ids=lambda page: page.name)
def test_the_table_of_commands_has_each_with_its_effect(page: Path) -> None:
    """Name and effect, in the README and on the model's page."""
    rows = table(prose(page), "Command")
    assert {name: row[1] for name, row in rows.items()} == dict(EFFECTS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_section_tells_its_effect(name: str) -> None:
    """The group that opens it stands in its first paragraph."""
    assert f"Effect: {COMMANDS[name].effect}." in COMMAND_SECTIONS[name].replace("\n", " ")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_table_has_its_parameters_and_no_others(name: str) -> None:
    """The names in the first column are the names of the record's fields."""
    assert parameters_of(name).keys() == set(COMMANDS[name].parameters.__struct_fields__)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_field_of_a_commands_answer_stands_in_its_section(name: str) -> None:
    """In an example, in a table, or in words; or where those fields are told that many answers have."""
    shape = COMMANDS[name].answer_schema()
    fields = {field for part in (shape, *shape.get("$defs", {}).values()) for field in part["properties"]}
    sections_of = sections(sections(BILLING.read_text(), 2)["DoCommand"], 3)
    page = "".join(sections_of[title] for title in (name, *FIELDS_OF_MANY))
    assert {field for field in fields if not re.search(rf"`{field}`|\"{field}\"", page)} == set()


@pytest.mark.parametrize(("command", "name"), PARAMETERS)
def test_a_parameter_is_required_on_the_page_where_it_is_in_the_code(
    command: Any,  # noqa: ANN401 - a row of the table of commands
    name: str,
) -> None:
    """Required or Optional, in the third column."""
    required = field_of(command.parameters, name).required
    assert parameters_of(command.name)[name][2] == ("Required" if required else "Optional")


@pytest.mark.parametrize(("command", "name"), PARAMETERS)
def test_a_parameters_default_on_the_page_is_that_of_the_code(
    command: Any,  # noqa: ANN401 - a row of the table of commands
    name: str,
) -> None:
    """A default that the code does not have is not promised either."""
    assert documented_default(parameters_of(command.name)[name]) == own_default(field_of(command.parameters, name))


@pytest.mark.parametrize(("command", "name"), PARAMETERS)
def test_a_parameters_other_names_stand_in_its_row(
    command: Any,  # noqa: ANN401 - a row of the table of commands
    name: str,
) -> None:
    """All of them, and none that is not accepted."""
    aliases = {alias for alias, field in command.parameters.aliases.items() if field == name}
    assert set(OTHER_NAME.findall(parameters_of(command.name)[name][-1])) == aliases


def test_the_attributes_table_has_every_attribute_and_no_other() -> None:
    """The names in the first column are those that the configuration takes."""
    assert ATTRIBUTES.keys() == set(ATTRIBUTE_NAMES)


@pytest.mark.parametrize("name", ATTRIBUTE_NAMES)
def test_an_attribute_is_required_on_the_page_where_it_is_in_the_code(name: str) -> None:
    """Required or Optional, in the third column."""
    assert ATTRIBUTES[name][2] == ("Required" if field_of(Attributes, name).required else "Optional")


@pytest.mark.parametrize("name", ATTRIBUTE_NAMES)
def test_an_attributes_default_on_the_page_is_that_of_the_code(name: str) -> None:
    """A default from the environment is named by its variable."""
    assert documented_default(ATTRIBUTES[name]) == own_default(field_of(Attributes, name))


def test_every_file_of_the_state_stands_in_the_row_of_state_dir() -> None:
    """Whoever keeps a backup of the folder, or clears it, finds there what is what."""
    sources = (ROOT / "src" / MODULE_NAME.replace("-", "_")).rglob("*.py")
    names = {name for source in sources for name in FILE_NAME.findall(source.read_text())}
    assert "journal.db" in names
    assert names <= set(CODE.findall(ATTRIBUTES["state_dir"][-1]))


@pytest.mark.parametrize(("attribute", "shape"), [("charge_limits", ChargeLimits), ("budget", Budget)])
def test_the_fields_of_an_attribute_that_is_an_object_stand_in_its_row(attribute: str, shape: Any) -> None:  # noqa: ANN401 - a record's class
    """Each field by its name."""
    assert set(re.findall(r'"(\w+)":', ATTRIBUTES[attribute][-1])) == set(shape.__struct_fields__)


def test_the_default_of_warn_at_on_the_page_is_that_of_the_code() -> None:
    """It stands in the row of budget."""
    default = json.dumps(own_default(field_of(Budget, "warn_at")))
    assert f"`warn_at` is `{default}`" in ATTRIBUTES["budget"][-1]


@pytest.mark.parametrize("group", GROUPS)
def test_every_effect_group_stands_in_the_row_of_allowed_commands(group: str) -> None:
    """Whoever edits the list finds there what it takes."""
    assert f"`{group}`" in ATTRIBUTES["allowed_commands"][-1]


def test_the_errors_table_has_every_code_with_its_status() -> None:
    """And no code that no error has."""
    documented = {code: row[1] for code, row in ERROR_TABLE.items()}
    assert documented == {code: kind.status.name for code, kind in leaf_errors().items()}


def test_the_guides_troubleshooting_has_every_code() -> None:
    """As a heading, and no heading for a code that no error has."""
    troubleshooting = sections(sections(prose(GUIDE), 2)["Troubleshooting"], 3)
    assert troubleshooting.keys() - {"The service does not appear"} == leaf_errors().keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_typical_errors_of_a_command_are_codes(name: str) -> None:
    """What stands in backticks before any bracket of that paragraph is a code."""
    found = re.search(r"Typical errors: (.+?)\n\n", COMMAND_SECTIONS[name] + "\n\n", re.DOTALL)
    words = re.sub(r"\([^)]*\)", "", found[1]) if found else ""
    assert set(CODE.findall(words)) <= leaf_errors().keys()


@pytest.mark.parametrize("page", [README, CHANGELOG, BILLING, GUIDE, CHARGING], ids=lambda page: page.name)
def test_no_page_names_a_command_that_does_not_exist(page: Path) -> None:
    """What looks like a command is one, or another known name."""
    known = {*COMMANDS, *ATTRIBUTE_NAMES, *leaf_errors(), *CLOUD_CALLS, "get_status"}
    assert {word for word in CODE.findall(prose(page)) if LIKE_A_COMMAND.fullmatch(word)} <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_the_project_leads_to_a_file_and_a_heading(page: Path) -> None:
    """A heading is found by the name that GitHub gives it."""
    lost = []
    for target in LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            lost.append(target)
    assert lost == []


def test_the_markdown_links_of_meta_json_lead_to_the_pages_of_their_models() -> None:
    """The registry shows that page for the model."""
    for model in json.loads((ROOT / "meta.json").read_text())["models"]:
        path, _, anchor = model["markdown_link"].partition("#")
        page = ROOT / path
        assert page.read_text().startswith(f"# Model {model['model']}\n")
        assert not anchor or anchor in anchors(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_names_the_module_by_the_namespace_of_the_code(page: Path) -> None:
    """Publishing under another namespace changes the documentation too, and this says where."""
    named = re.findall(rf"([\w-]+)[:_]{MODULE_NAME}\b", page.read_text())
    assert set(named) <= {NAMESPACE}


def test_the_readme_configures_the_module_of_meta_json() -> None:
    """The id to paste is the one to publish."""
    assert json.loads((ROOT / "meta.json").read_text())["module_id"] == MODULE_ID
    assert f'"module_id": "{MODULE_ID}"' in README.read_text()


def test_the_changelog_has_this_version() -> None:
    """Released, or on its way."""
    assert VERSION in CHANGELOG.read_text()
