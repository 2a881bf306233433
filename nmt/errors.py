"""What can go wrong for a user, as a tree of exceptions.

    NmtError             what the user can mend; shown as one line, exit status 1
    ├── ConfigError      a setting, an option, or two that do not fit together
    ├── DataError        a text, a corpus, a file or folder
    ├── CheckpointError  a model directory or a run
    ├── Interrupted      stopped by a signal with everything saved; exit status 130, 138, 143
    └── Followed         one of several processes, of which another says why they end

Anything else that is raised is a fault of ours and keeps its traceback.
"""


class NmtError(Exception):
    """Report in one line what is wrong, where, and what would be right."""

    exit_status = 1


class ConfigError(NmtError):
    """Refuse a setting."""


class DataError(NmtError):
    """Refuse a text, a corpus, or a file."""


class CheckpointError(NmtError):
    """Refuse a model directory or a run."""


class Interrupted(NmtError):
    """Say that a signal stopped the work and how to go on."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_status = 128 + signal_number


class Followed(NmtError):
    """End without a word, since another process of the same training says why."""

    def __init__(self, exit_status: int) -> None:
        super().__init__()
        self.exit_status = exit_status
