"""A Viam cloud for one machine: development, tests and the demonstration run against it; robots never get it."""

from __future__ import annotations

import os

# gRPC's C core writes to stderr on every connection that ends badly, which is what this package does on purpose.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
