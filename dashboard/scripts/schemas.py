"""Prints what `help` answers for every command, and the error codes, as JSON: what the page's types are made of."""  # noqa: INP001 - a script, no package

from __future__ import annotations

import json
import sys
from copy import deepcopy

from viam_billing.commands import COMMANDS
from viam_billing.core.errors import CLASSES
from viam_billing.settings.records import schema

rows = {
    command.name: {"parameters": deepcopy(schema(command.parameters)), "answer": command.answer_schema()}
    for command in COMMANDS.values()
}
sys.stdout.write(json.dumps({"commands": rows, "errors": list(CLASSES)}))
