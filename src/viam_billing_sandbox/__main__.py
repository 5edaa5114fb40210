"""Starts the sandbox."""

from __future__ import annotations

import sys

from viam_billing_sandbox.cli import main

sys.exit(main(sys.argv[1:]))
