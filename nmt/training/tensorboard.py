"""The measurements of a run for TensorBoard, as they are made."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.errors import ConfigError
from nmt.files import cannot_write
from nmt.training.run import Run

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

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
    scalars = Scalars(run.folder / FOLDER, update)
    run.listeners.append(scalars.tell)
    try:
        yield
    finally:
        run.listeners.remove(scalars.tell)
        scalars.close()


class Scalars:
    """Numbers by name and update, in the files of TensorBoard's own writer.

    It is opened by the first event, so that a process that records nothing makes no file.
    """

    def __init__(self, folder: Path, update: int) -> None:
        self._folder, self._update = folder, update
        self._writer: SummaryWriter | None = None

    def tell(self, event: str, values: Mapping[str, Any]) -> None:
        """Write the numbers of an event.

        Raises:
            DataError: The disk is full, or refuses.
        """
        try:
            writer = self._opened()
            for name, value in values.items():
                if name != "update" and isinstance(value, int | float):
                    writer.add_scalar(f"{event}/{name}", value, values["update"])
            writer.flush()
        except OSError as error:
            raise cannot_write(self._folder, error) from error

    def _opened(self) -> "SummaryWriter":
        from torch.utils.tensorboard import SummaryWriter

        if self._writer is None:
            self._writer = SummaryWriter(str(self._folder), purge_step=self._update + 1)
        return self._writer

    def close(self) -> None:
        """Close the files; whatever they refused has been complained about by then."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
