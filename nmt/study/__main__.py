"""Evaluate one cell of a study: `python -m nmt.study FOLDER`, as a study itself calls it."""

import sys
from pathlib import Path

from nmt.errors import NmtError
from nmt.study.evaluation import evaluate


def main() -> int:
    """Evaluate the cell whose folder is the one argument; an error is one line."""
    try:
        evaluate(Path(sys.argv[1]))
    except NmtError as error:
        print(f"nmt: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
