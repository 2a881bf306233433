"""Packages that only exports need, imported when one is made or used."""

import importlib
from typing import Any

from nmt.errors import ConfigError

PACKAGES = {"ctranslate2": "ctranslate2", "huggingface": "transformers"}  # by extra


def require(extra: str) -> Any:
    """Import what an extra installs.

    Raises:
        ConfigError: It is not installed; the message says how to.
    """
    package = PACKAGES[extra]
    try:
        return importlib.import_module(package)
    except ImportError as error:
        if error.name != package:
            raise  # it is there, but broken
        raise ConfigError(
            f"this needs the package {package}, which is not installed; install it: "
            f"pip install 'nmt[{extra}]'"
        ) from None
