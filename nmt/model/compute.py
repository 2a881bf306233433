"""Where and how precisely a model computes."""

import contextlib
import ctypes
import functools
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from nmt.errors import ConfigError
from nmt.settings import setting

if TYPE_CHECKING:
    import torch


log = logging.getLogger(__name__)

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names of glibc's malloc.h
LARGEST_BLOCK = 2**30  # bytes


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """The machine's part in a result."""

    section: ClassVar[str] = "compute"

    device: str = setting("auto", "Where to compute: auto, cpu, cuda, or cuda:N.")
    precision: str = setting(
        "auto",
        "Type of matrix products; auto is bf16 in training where the machine is fast at it, int8, "
        "products of whole numbers, in searches where compiled code makes them, and else fp32.",
        choices=("auto", "bf16", "fp32", "int8"),
    )
    steps: str = setting(
        "auto",
        "What takes the steps of a search on a processor: compiled, code of our own that its C "
        "compiler makes once; torch; auto is compiled where there is a compiler, and it serves the "
        "model.",
        choices=("auto", "compiled", "torch"),
    )
    threads: int = setting(0, "Processor threads; 0 is one for each core.")
    seed: int = setting(1, "Start of every random sequence.")
    sharding: str = setting(
        "ddp",
        "How several processes share a model: ddp, each has all of it; fsdp, each has a part.",
        choices=("ddp", "fsdp"),
    )
    wait_minutes: int = setting(
        60, "How long one of several processes waits for another, validation included."
    )

    def __post_init__(self) -> None:
        if self.wait_minutes < 1:
            raise ConfigError(f"compute.wait_minutes must be at least 1, not {self.wait_minutes}")
        for name in ("threads", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"compute.{name} must be 0 or more, not {getattr(self, name)}")


@dataclass(frozen=True)
class Compute:
    """A device, the type that products run in, how processes share a model, and a seed.

    Attributes:
        int8: Whether linear layers run in 8-bit integers in a search; all else is in `dtype`.
        steps: What takes the steps of a search, as settings name it.
    """

    device: "torch.device"
    dtype: "torch.dtype"
    sharding: str = "ddp"
    seed: int = 1
    int8: bool = False
    steps: str = "auto"

    @property
    def precision(self) -> str:
        """Name the type of products as settings do."""
        import torch

        if self.int8:
            return "int8"
        return "bf16" if self.dtype == torch.bfloat16 else "fp32"

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Run products in `dtype` inside this context."""
        import torch

        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def isolated(self) -> contextlib.AbstractContextManager[object]:
        """Put random numbers back, after this context, where they were."""
        import torch

        return torch.random.fork_rng([self.device] if self.device.type == "cuda" else [])

    def described(self) -> dict[str, Any]:
        """Say on what and how precisely it computes, now that nothing is automatic."""
        import torch

        is_gpu = self.device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name(self.device) if is_gpu else "cpu",
            "precision": self.precision,
            "threads": torch.get_num_threads(),
        }


def prepare(config: ComputeConfig, *, training: bool) -> Compute:
    """Set threads and seed, and decide device and precision.

    Raises:
        ConfigError: The device does not exist here, or does not do what is asked of it.
    """
    import torch

    if config.threads:
        torch.set_num_threads(config.threads)
    keep_freed_memory()
    torch.manual_seed(config.seed)
    device = choose_device(config.device)
    if config.precision == "int8":
        refuse_int8(device, training=training)
    is_auto, wanted = config.precision == "auto", config.precision
    fast = is_auto and training and has_fast_bf16(device)
    dtype = torch.bfloat16 if wanted == "bf16" or fast else torch.float32
    compute = Compute(
        device, dtype, config.sharding, config.seed, wanted == "int8", steps=config.steps
    )
    return lowest(compute) if is_auto and not training else compute


def lowest(compute: Compute) -> Compute:
    """Take 8-bit integers for a search, where the C library multiplies them.

    A processor on which there is no library is told of: what it writes is not what others do.
    """
    lowered = replace(compute, int8=True)
    if not (reason := why_not_compiled(lowered)):
        return lowered
    if compute.steps != "torch" and compute.device.type == "cpu":
        tell_once(reason)
    return compute


@functools.cache
def tell_once(reason: str) -> None:
    """Say that there is no C library."""
    log.warning(
        "searches are slower here, and in float32, since they do without compiled steps: %s", reason
    )


@contextlib.contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Compute on so many processor threads inside this context."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> None:
    """Let the C library keep what is freed, for the next tensor of the same size.

    By default it gives large blocks back to the system at once, which then fills every new one
    with zeros, page by page: some per cent of training's time on a processor.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library: nothing is lost
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        library.mallopt(M_TRIM_THRESHOLD, LARGEST_BLOCK)


def choose_device(name: str) -> "torch.device":
    """Take the device asked for; `auto` is a GPU where there is one.

    Of several processes on a machine each has a GPU of its own.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and "LOCAL_RANK" in os.environ:
        name = own_gpu(name, int(os.environ["LOCAL_RANK"]))
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(
            f"compute.device must be auto, cpu, cuda or cuda:N, not {name!r}"
        ) from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"compute.device must be auto, cpu, cuda or cuda:N, not {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"compute.device = {name!r}, but no such GPU can be used here")
    return device


def own_gpu(name: str, local_rank: int) -> str:
    """Name the GPU of one of several processes that torchrun started on a machine."""
    import torch

    count = torch.cuda.device_count()
    if name != "cuda" and os.environ.get("LOCAL_WORLD_SIZE", "1") != "1":
        raise ConfigError(
            f"compute.device = {name!r} would put every process on one GPU; leave it at auto"
        )
    if name == "cuda" and local_rank >= count:
        raise ConfigError(
            f"torchrun started {os.environ.get('LOCAL_WORLD_SIZE', local_rank + 1)} processes on "
            f"this machine, but {count} GPUs can be used here; give torchrun as many with "
            "--nproc-per-node, or train with --device cpu"
        )
    return f"cuda:{local_rank}" if name == "cuda" else name


def refuse_int8(device: "torch.device", *, training: bool) -> None:
    """Refuse 8-bit integers where there is no search, or nothing that multiplies them.

    Raises:
        ConfigError: As above.
    """
    if training:
        raise ConfigError("compute.precision = 'int8' is for searches; train in auto, bf16 or fp32")
    if not has_fast_int8(device):
        raise ConfigError(
            "compute.precision = 'int8' needs a processor with AVX2 or VNNI instructions, and this "
            "device has none; take bf16 or fp32"
        )


def why_not_compiled(compute: Compute) -> str:
    """Say why products are not those of the C library; nothing where they are."""
    import torch

    from nmt.native.compiler import lacks_bytes, unavailable

    if compute.steps == "torch":
        return "compute.steps asks for PyTorch"
    if compute.device.type != "cpu":
        return f"it does not run on {compute.device.type}"
    if compute.dtype != torch.float32:
        return "it has no products in bfloat16"
    return lacks_bytes() if compute.int8 else unavailable()


def has_fast_int8(device: "torch.device") -> bool:
    """Tell whether products of 8-bit integers are fast, and exact in 32 bits."""
    from nmt.model.packed import has_packed_products
    from nmt.native.compiler import lacks_bytes

    return device.type == "cpu" and (not lacks_bytes() or has_vnni() or has_packed_products())


def has_vnni() -> bool:
    """Tell whether the processor has instructions for products of 8-bit integers."""
    import torch

    flags = torch.cpu.get_capabilities()
    return any(flags.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))


def has_fast_bf16(device: "torch.device") -> bool:
    """Tell whether products in bfloat16 are faster than in float32."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags = torch.cpu.get_capabilities()
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16") or flags.get("bf16"))
