"""The measurements of a run for TensorBoard, as they are made."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nmt.errors import ConfigError
from nmt.files import cannot_write
from nmt.training.run import Run

FOLDER = "tensorboard"


def refuse_without_tensorboard(*, wanted: bool) -> None:
    """Refuse to write for TensorBoard where it is not installed.

    Raises:
        ConfigError: It is wanted and not installed.
    """
    if wanted and find_spec("tensorboard") is None:
        raise ConfigError(
            "training.tensorboard needs TensorBoard: pip install 'nmt[tensorboard]', or set it to "
            "false"
        )


@contextmanager
def told_to_tensorboard(run: Run, update: int, *, wanted: bool) -> Iterator[None]:
    """Write every number that the run records below its folder too, inside this context.

    Args:
        update: Where training stands; what was written about later updates is void.

    Raises:
        ConfigError: TensorBoard is wanted and not installed.
        DataError: The disk is full, or refuses.
    """
    refuse_without_tensorboard(wanted=wanted)
    if not wanted:
        yield
        return
    writer = open_writer(run.folder / FOLDER, update)

    def tell(event: str, values: dict[str, Any]) -> None:
        try:
            for name, value in values.items():
                if name != "update":
                    writer.add_scalar(f"{event}/{name}", value, values["update"])
            writer.flush()
        except OSError as error:
            raise cannot_write(run.folder / FOLDER, error) from error

    run.listeners.append(tell)
    try:
        yield
    finally:
        run.listeners.remove(tell)
        with suppress(OSError):  # all that was told is on disk, or was complained about
            writer.close()


def open_writer(folder: Path, update: int) -> Any:
    """Open TensorBoard's own writer, which voids what is told of later updates."""
    from torch.utils.tensorboard import SummaryWriter

    try:
        return SummaryWriter(str(folder), purge_step=update + 1)
    except OSError as error:
        raise cannot_write(folder, error) from error
