"""Starts the module, or the process that sends its alerts."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    if sys.argv[1:] == ["send-alerts"]:
        from viam_billing.audit.sender import main
    else:
        from viam_billing.module.process import main
    main()
