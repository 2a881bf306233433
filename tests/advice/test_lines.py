"""Lines of settings are those where an editor finds them."""

import tomllib

import pytest

from nmt.advice.lines import leaves, line_numbers
from nmt.experiment import Experiment
from nmt.settings import explain

TEXT = """\
# a comment

[training]
warmup = 300  # another
budget = '''
8m
[model]'''

[data]
train = [
  "one",  # [model]
  "two",
]
[[data.stages]]
pairs = 10

[[data.stages]]
temperature = 1.0

[attention]
decoder.variant = "rotary"
cross = {variant = "gqa", dropout = 0.1}
[attention.encoder]
"positions" = "alibi"
"""


def test_settings_have_the_line_where_they_begin() -> None:
    assert line_numbers(TEXT) == {
        "training.warmup": 4,
        "training.budget": 5,
        "data.train": 10,
        "data.stages": 14,
        "data.stages.pairs": 15,
        "data.stages.temperature": 18,
        "attention.decoder.variant": 21,
        "attention.cross.variant": 22,
        "attention.cross.dropout": 22,
        "attention.encoder.positions": 24,
    }


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_setting_of_a_whole_file_has_its_line(end: str) -> None:
    text = explain(Experiment())
    numbers = line_numbers(text.replace("\n", end))
    assert set(numbers) == {name for name, _ in leaves(tomllib.loads(text))}
    lines = text.split("\n")
    for name, number in numbers.items():
        assert lines[number - 1].startswith(f"{name.rpartition('.')[2]} = ")


def test_a_text_without_settings_has_no_lines() -> None:
    assert line_numbers("") == {} == line_numbers("# nothing\n\n[training]\n")
