"""What is asked of single lines, and of several models together."""

import random
import re
from typing import Any

import pytest

from nmt.ensemble import Ensemble, Member
from nmt.errors import DataError
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Segmenters
from nmt.search.config import SearchConfig
from nmt.text.phrases import Phrases, holds
from nmt.text.segmenter import Segmenter
from nmt.translate import Translator
from tests.translation.copying import COMPUTE, LINES, Copier, translator


def test_a_prefix_belongs_to_the_first_part(segmenter: Segmenter) -> None:
    made = translator(Copier(segmenter.vocab_size), segmenter, max_pieces=6)
    (found,) = made.translate_together(["the cat. A dog."], 1, ["over"])
    assert found.text.startswith("over")
    assert found.text.endswith(" A dog.")
    assert found.text.count("over") == 1


def test_a_prefix_has_room_to_go_on(copier: Translator, segmenter: Segmenter) -> None:
    prefix = "the lazy dog and the cat " * 9
    (found,) = copier.translate_together(["a b"], 1, [prefix])
    assert found.text.startswith(prefix.strip())
    short = translator(Copier(segmenter.vocab_size), segmenter, limit_ratio=0.0, limit_extra=1)
    (found,) = short.translate_together(["over the lazy dog"], 1, ["over"])
    assert found.text == "over"


def test_a_prefix_that_cannot_be_written_is_refused_with_its_line(segmenter: Segmenter) -> None:
    made = translator(Copier(segmenter.vocab_size, 8), segmenter)
    prefix = "x y z x y z x y z"
    size = len(segmenter.encode(prefix))
    with pytest.raises(DataError, match=rf"^line 4: the prefix has {size} pieces, .* at most 7 "):
        made.translate_together(["a", "b"], 3, ["", prefix])


def together(*models: EncoderDecoder, segmenter: Segmenter, **search: Any) -> Translator:
    segmenters = Segmenters(segmenter, segmenter)
    members = [Member(f"model {n}", each, segmenters, COMPUTE) for n, each in enumerate(models)]
    return Translator.of(Ensemble(members), SearchConfig(**{"beam": 2, **search}))


def test_several_models_translate_each_line_in_its_place(segmenter: Segmenter) -> None:
    size = segmenter.vocab_size
    pair = together(Copier(size), Copier(size, 40), segmenter=segmenter)
    assert [each.text for each in pair.translate(LINES)] == [each.strip() for each in LINES]


def test_several_models_write_no_more_than_each_can(
    transformer: EncoderDecoder, segmenter: Segmenter, caplog: pytest.LogCaptureFixture
) -> None:
    size = segmenter.vocab_size
    pair = together(Copier(size), transformer, segmenter=segmenter, limit_extra=50)
    long = "over the lazy dog and the cat " * 9
    (found,) = pair.translate([long])
    assert found.candidates[0].length > transformer.max_length, "it is translated in parts"
    assert caplog.text.count("more than the 15 that are read at once (model.max_length)") == 1
    with pytest.raises(DataError, match=r"^line 1: the prefix has \d+ pieces, .* at most 15 "):
        pair.translate_together([long], 1, [long])


@pytest.mark.parametrize("whole_words", [False, True])
def test_phrases_are_forced_upon_a_model_that_is_sure_of_something_else(
    segmenter: Segmenter, whole_words: bool
) -> None:
    size = segmenter.vocab_size
    asked = {"must": ("a dog",), "must_not": ("the", "🙂"), "whole_words": whole_words}
    made = translator(Copier(size), segmenter, beam=4, nbest=2, **asked)
    for each in made.translate(LINES):
        assert (each.text == "") == (each.source.strip() == "")
        for candidate in each.candidates if each.text else ():
            assert holds(candidate.text, "a dog", whole_words=whole_words)
            assert not holds(candidate.text, "the", whole_words=whole_words)
            assert "🙂" not in candidate.text


def test_a_line_may_ask_for_more_than_all(copier: Translator) -> None:
    own = [Phrases(("dog",), ("cat",)), Phrases()]
    first, second = copier.translate_together(["the cat", "the cat"], 1, (), own)
    assert "dog" in first.text.split()
    assert "cat" not in first.text.split()
    assert second.text == "the cat"


def test_a_text_that_breaks_its_phrases_is_never_given(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = translator(Copier(segmenter.vocab_size), segmenter, must_not=("cat",))
    monkeypatch.setattr(made, "_demand", lambda phrases: None)
    with pytest.raises(DataError, match=r"^line 3: no translation was found: it holds 'cat'$"):
        made.translate_together(["dog", "the cat"], 2)


def test_what_pieces_add_is_what_decoding_gives(segmenter: Segmenter) -> None:
    generator, surfaces = random.Random(1), segmenter.surfaces
    own = [id_ for id_, each in enumerate(surfaces) if isinstance(each, int)]
    for _ in range(500):
        ids = [generator.choice((generator.choice(own), generator.randrange(len(surfaces))))
               for _ in range(6)]  # fmt: skip
        parts = [b""]
        for id_ in ids:
            if (each := surfaces[id_]) is None:
                parts.append(b"")
            else:
                parts[-1] += bytes([each]) if isinstance(each, int) else each.encode()
        text = "".join(part.decode(errors="replace") for part in parts)
        # How many replacement characters stand for broken bytes is a matter of taste.
        found, expected = (
            re.sub("\ufffd+", "\ufffd", each) for each in (segmenter.decode(ids), text)
        )
        assert found.lstrip(" ") == expected.lstrip(" ")
