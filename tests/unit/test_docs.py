"""The documentation against the code: nothing missing, nothing that does not exist, every link leads somewhere."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
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
    command_headings,
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

ABOUT_ALL_COMMANDS = {
    "Example DoCommand",
    "Commands",
    "Common parameters",
    "Fields of every answer",
    "Changes",
    "Fields of an entry",
}
"""Sections under DoCommand that are no command's own."""

FIELDS_OF_MANY = ("Common parameters", "Fields of every answer", "Changes", "Fields of an entry")
"""Sections about fields that the answers of several commands have."""

CLOUD_CALLS = {"list_locations", "get_location"}
"""Names in an answer of check_access that are calls of the cloud and no commands."""

OF_ONE_KEY = {"CHANGELOG.md", "cli.md", "client.md", "dashboard.md"}
"""Pages on which a key is mostly that of the machine, or the option `--key`."""

SPANNING = re.DOTALL | re.MULTILINE
FILE_NAME = re.compile(r'^_?FILE_NAME: Final = "(.+)"$', re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\((?!https?://)([^)]+)\)")
OTHER_NAME = re.compile(r"Other name: `(\w+)`")
LIKE_A_COMMAND = re.compile(r"(get|send|update|charge|create|check|list|reconcile|resolve)_\w+")


PAGE = prose(BILLING)
ATTRIBUTES = table(sections(sections(PAGE, 2)["Configuration"], 3)["Attributes"], "Name")
HEADINGS = command_headings()
COMMAND_SECTIONS = {name: sections(sections(PAGE, 2)["DoCommand"], 3)[heading] for name, heading in HEADINGS.items()}
COMMON_PARAMETERS = table(COMMAND_SECTIONS["Common parameters"], "Name")
ERROR_TABLE = table(sections(PAGE, 2)["Errors"], "Code")
PARAMETERS = [
    pytest.param(command, field.name, id=f"{command.name}.{field.name}")
    for command in COMMANDS.values()
    for field in msgspec.structs.fields(command.parameters)
]
ATTRIBUTE_NAMES = [field.name for field in msgspec.structs.fields(Attributes)]


@dataclass(frozen=True)
class Parameter:
    """What the page says of a parameter."""

    required: bool
    default: object
    other_names: set[str]


def parameters_of(command: str) -> dict[str, Parameter]:
    """The parameters of a command: the common ones that its section names, and those of the section's list."""
    section = COMMAND_SECTIONS[command]
    named = re.search(r"Common parameters:(.+?)\. ", " ".join([*section.split(), ""]))
    common = CODE.findall(named[1]) if named else []
    found = {
        name: Parameter(required=False, default=documented_default(COMMON_PARAMETERS[name]), other_names=set())
        for name in common
    }
    for item in re.findall(r"^- (`\w+` \(.+?)(?=^- |^$)", section, re.DOTALL | re.MULTILINE):
        names, _, text = " ".join(item.split()).partition(": ")
        for name, kind in re.findall(r"`(\w+)` \(([^)]+)\)", names):
            only, but = (re.search(rf"{word} of `(\w+)`", kind) for word in ("only", "not"))
            if (only is None or only[1] == command) and (but is None or but[1] != command):
                assert name not in found
                default = documented_default([text])
                found[name] = Parameter("required" in kind.split(", "), default, set(OTHER_NAME.findall(text)))
    return found


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
    """The sections below DoCommand are the table of commands and those about all of them. Some are about several."""
    assert COMMAND_SECTIONS.keys() == COMMANDS.keys() | ABOUT_ALL_COMMANDS


def test_the_readmes_table_of_commands_has_each_with_its_effect() -> None:
    rows = table(prose(README), "Command")
    assert {name: row[1] for name, row in rows.items()} == dict(EFFECTS)


def test_the_pages_table_of_commands_has_each_at_its_effect() -> None:
    rows = re.findall(r"^\| (\w+) \| (\[.+)\|$", COMMAND_SECTIONS["Commands"], re.MULTILINE)
    assert sorted((name, effect) for effect, cell in rows for name in CODE.findall(cell)) == sorted(EFFECTS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_section_tells_its_effect(name: str) -> None:
    """The group that opens it stands in its first paragraph."""
    assert f"Effect: {COMMANDS[name].effect}." in COMMAND_SECTIONS[name].replace("\n", " ")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_section_has_its_parameters_and_no_others(name: str) -> None:
    """The names are the names of the record's fields."""
    assert parameters_of(name).keys() == set(COMMANDS[name].parameters.__struct_fields__)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_field_of_a_commands_answer_stands_in_its_section(name: str) -> None:
    """In an example, in a table, or in words; or where those fields are told that many answers have.

    Or in the section of another command that it says has the same fields.
    """
    shape = COMMANDS[name].answer_schema()
    fields = {field for part in (shape, *shape.get("$defs", {}).values()) for field in part["properties"]}
    sections_of = sections(sections(BILLING.read_text(), 2)["DoCommand"], 3)
    others = re.findall(r"its fields are those of \[`(\w+)`\]", COMMAND_SECTIONS[name].replace("\n", " "))
    page = "".join(sections_of[HEADINGS[title]] for title in (name, *others, *FIELDS_OF_MANY))
    assert {field for field in fields if not re.search(rf"`{field}`|\"{field}\"", page)} == set()


@pytest.mark.parametrize(("command", "name"), PARAMETERS)
def test_a_parameter_is_required_on_the_page_where_it_is_in_the_code(
    command: Any,  # noqa: ANN401 - a row of the table of commands
    name: str,
) -> None:
    assert parameters_of(command.name)[name].required == field_of(command.parameters, name).required


@pytest.mark.parametrize(("command", "name"), PARAMETERS)
def test_a_parameters_default_on_the_page_is_that_of_the_code(
    command: Any,  # noqa: ANN401 - a row of the table of commands
    name: str,
) -> None:
    """A default that the code does not have is not promised either."""
    assert parameters_of(command.name)[name].default == own_default(field_of(command.parameters, name))


@pytest.mark.parametrize(("command", "name"), PARAMETERS)
def test_a_parameters_other_names_stand_with_it(
    command: Any,  # noqa: ANN401 - a row of the table of commands
    name: str,
) -> None:
    """All of them, and none that is not accepted."""
    aliases = {alias for alias, field in command.parameters.aliases.items() if field == name}
    assert parameters_of(command.name)[name].other_names == aliases


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


def test_every_error_has_its_causes_and_a_remedy() -> None:
    assert all(cause and remedy for _, _, cause, remedy in ERROR_TABLE.values())


@pytest.mark.parametrize("page", [README, CHANGELOG, BILLING, GUIDE, CHARGING], ids=lambda page: page.name)
def test_no_page_names_a_command_that_does_not_exist(page: Path) -> None:
    """What looks like a command is one, or another known name."""
    known = {*COMMANDS, *ATTRIBUTE_NAMES, *leaf_errors(), *CLOUD_CALLS, "get_status"}
    assert {word for word in CODE.findall(prose(page)) if LIKE_A_COMMAND.fullmatch(word)} <= known


@pytest.mark.parametrize("page", [README, CHANGELOG, BILLING, GUIDE, CHARGING], ids=lambda page: page.name)
def test_no_page_names_an_error_that_does_not_exist(page: Path) -> None:
    """What begins or ends as a code does is one, or another known name."""
    codes = leaf_errors().keys()
    first, last = ("|".join({code.rpartition("_")[part] for code in codes}) for part in (0, 2))
    schemas = [command.answer_schema() for command in COMMANDS.values()]
    fields = {
        name
        for schema in schemas
        for part in (schema, *schema.get("$defs", {}).values())
        for name in part["properties"]
    }
    parameters = {name for command in COMMANDS.values() for name in command.parameters.__struct_fields__}
    known = {*codes, *COMMANDS, *ATTRIBUTE_NAMES, *fields, *parameters, "do_command"}
    like_a_code = re.compile(rf"({first})_[a-z]+|[a-z_]+_({last})")
    assert {word for word in CODE.findall(prose(page)) if like_a_code.fullmatch(word)} <= known


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


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in OF_ONE_KEY], ids=lambda page: page.name)
def test_a_page_says_which_key_it_means(page: Path) -> None:
    """The API key, the machine key or an idempotency key, also in a sentence that is read alone."""
    code = re.compile(r"`[^`\n]*`|\]\([^)]*\)|\"[^\"\n]*\"|^ {4}.*$", re.MULTILINE)
    text = " ".join(code.sub(" ", prose(page)).split())
    which = r"(?<!\bAPI )(?<!\bmachine )(?<!\bidempotency )"
    assert re.findall(rf"[^.]*{which}\bkeys?\b[^.]*", text, re.IGNORECASE) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_names_the_module_by_the_namespace_of_the_code(page: Path) -> None:
    """Publishing under another namespace changes the documentation too, and this says where."""
    named = re.findall(rf"([\w-]+)[:_]{MODULE_NAME}\b", page.read_text())
    assert set(named) <= {NAMESPACE}


def test_the_readme_configures_the_module_of_meta_json() -> None:
    """The id to paste is the one to publish."""
    assert json.loads((ROOT / "meta.json").read_text())["module_id"] == MODULE_ID
    assert f'"module_id": "{MODULE_ID}"' in README.read_text()


def test_the_readme_leads_to_a_figure_in_the_four_commands_that_are_tested() -> None:
    """A test runs them under viam-server."""
    blocks = re.findall(r"^```sh\n.*?^```$", sections(README.read_text(), 2)["Try it without a Viam account"], SPANNING)
    assert sum(line[0] != " " for block in blocks for line in block.splitlines()[1:-1]) == 4


def test_the_changelog_has_this_version() -> None:
    """Released, or on its way."""
    assert VERSION in CHANGELOG.read_text()
