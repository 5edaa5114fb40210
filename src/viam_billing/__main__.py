"""Starts the module, nothing else."""

from __future__ import annotations

from viam_billing.module.process import main

if __name__ == "__main__":
    main()
