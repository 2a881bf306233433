"""Pictures are the same each time, and say what is missing."""

import sys

import pytest

from nmt.errors import ConfigError
from nmt.pictures import form_of, new_figure, rendered


@pytest.mark.parametrize("form", ["svg", "png"])
def test_what_is_drawn_the_same_is_the_same_to_the_last_byte(form: str) -> None:
    pytest.importorskip("matplotlib")
    pictures = []
    for _ in range(2):
        with new_figure((2, 2), "") as figure:
            figure.add_subplot().plot([1, 2], label="$a_b$")
            pictures.append(rendered(figure, form, 50))
    assert pictures[0] == pictures[1]


def test_without_matplotlib_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with (
        pytest.raises(ConfigError, match=r"a picture needs matplotlib: pip .*\[plot\]'; or else$"),
        new_figure((1, 1), "or else"),
    ):
        pass


@pytest.mark.parametrize("name", ["curves.pdf", "curves", "svg"])
def test_a_name_of_another_form_is_refused(name: str) -> None:
    assert form_of("a/b.SVG", "--plot") == "svg"
    with pytest.raises(ConfigError, match=r"--plot .*: the name must end in \.svg or \.png$"):
        form_of(name, "--plot")
