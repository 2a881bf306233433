"""Measure one cell of a study, as a study itself calls it.

`python -m nmt.study FOLDER` evaluates it; `python -m nmt.study FOLDER BASELINE TURNS` measures
its pace beside the baseline's.
"""

import sys
from pathlib import Path

from nmt.errors import NmtError
from nmt.study.evaluation import evaluate
from nmt.study.pace import measure_pace


def main() -> int:
    """Measure the cell whose folder is the first argument; an error is one line."""
    folder, *rest = sys.argv[1:]
    try:
        if rest:
            measure_pace(Path(folder), Path(rest[0]), int(rest[1]))
        else:
            evaluate(Path(folder))
    except NmtError as error:
        print(f"nmt: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
