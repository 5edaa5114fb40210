"""Starts the command line: `viam-billing`, or `python -m viam_billing_client.cli`.

Whatever happens ends in an exit code and at most a sentence on stderr: 130 after Ctrl-C, 141 where a pipe was closed.
"""

from __future__ import annotations

import os
import sys
from typing import Final, NoReturn

_DEFECT: Final = 1
_INTERRUPTED: Final = 130
_PIPE_CLOSED: Final = 141


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    code = _INTERRUPTED
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before the start
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the process ends
    try:
        from viam_billing_client.cli.app import run  # noqa: PLC0415 - Ctrl-C is quiet from here on

        code = run(sys.argv[1:])
        sys.stdout.flush()
    except ModuleNotFoundError as error:
        sys.stderr.write(f"viam-billing: {error.name} is missing: pip install 'viam-billing[cli]'\n")
        code = _DEFECT
    except KeyboardInterrupt:
        pass
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BrokenPipeError:  # what was still to be written, such as a help text
        code = _PIPE_CLOSED
    except OSError:  # the same, into a full disk
        code = _DEFECT
    os._exit(code)  # a thread of the SDK may still be dialling, and nothing here has to wait for it


if __name__ == "__main__":
    main()
