"""The attribute `api_key_file`: which files are taken, and that a change in one is heard."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from grpclib import GRPCError

from support.conditions import eventually
from support.module_process import ModuleProcess, Refusal, refused
from support.sandbox_caller import HARBOR_ID, HARBOR_KEY
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")
