"""What a person who is handed an exported folder reads first."""

from collections.abc import Mapping
from typing import Any

from nmt.export.limits import CTRANSLATE2
from nmt.search.config import SearchConfig

HOW = {
    True: """\
Translate with it by the command that made it, which cuts lines into pieces and joins them:

    nmt translate --engine ctranslate2 THIS_FOLDER < source.txt > translation.txt

or in Python (packages ctranslate2 and sentencepiece):

    import ctranslate2, sentencepiece
    source, target = (sentencepiece.SentencePieceProcessor(f"{{side}}.model")
                      for side in ("source", "target"))
    translator = ctranslate2.Translator(".")
    pieces = source.encode("A line.", out_type=str)
    (found,) = translator.translate_batch([pieces], beam_size={beam}, length_penalty={alpha})
    print(target.decode(found.hypotheses[0]))
""",
    False: """\
Translate with it in Python (packages transformers, torch, sentencepiece):

    from transformers import MarianMTModel, MarianTokenizer
    tokenizer = MarianTokenizer.from_pretrained(".")
    model = MarianMTModel.from_pretrained(".")
    found = model.generate(**tokenizer(["A line."], return_tensors="pt", padding=True))
    print(tokenizer.batch_decode(found, skip_special_tokens=True))
""",
}


def export_card(record: Mapping[str, Any], search: Mapping[str, Any]) -> str:
    """Write the card in Markdown.

    Args:
        search: The settings of the model's own search.
    """
    made, usual = record["model"], SearchConfig()
    asked = {
        "beam": search.get("beam", usual.beam),
        "alpha": search.get("length_alpha", usual.length_alpha),
    }
    return "\n".join(
        [
            "# Translation model",
            "",
            f"Exported to {record['to']} ({record['quantization']}, with version "
            f"{record['version']} of its package) by nmt {record['nmt']},",
            "from a model whose weights have the hash",
            f"`{made.get('weights')}`.",
            "",
            HOW[record["to"] == CTRANSLATE2].format(**asked),
            "Segmenters are `source.model` and `target.model`, settings `config.toml`; "
            "`export.json` holds",
            "the hash of every file.",
            "",
        ]
    )
