"""Attention as a page to look at: one file that asks for nothing from elsewhere.

Pieces come from anyone's text. They reach the page as data, in which no tag can begin, and are
shown as text, never as markup.
"""

import json
from string import Template
from typing import Any

from nmt.model.weights import Weighed
from nmt.study.sight import Sight

DIGITS = 4
ESCAPED = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Attention</title>
<style>
body { font: 14px sans-serif; margin: 2em; color: #222; background: #fff; }
table { border-collapse: collapse; margin-top: 1em; }
th { font-weight: normal; text-align: right; padding: 0 .4em; white-space: pre; }
thead th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left;
 padding: .4em 0; }
td { width: 1.6em; height: 1.6em; border: 1px solid #eee; }
td:hover { outline: 2px solid #222; }
select { margin-right: 1em; }
</style>
</head>
<body>
<h1>Attention</h1>
<p id="pair"></p>
<label>Layer <select id="layer"></select></label>
<label>Head <select id="head"></select></label>
<output id="cell"></output>
<p>A row is a query: in the decoder, the piece that it predicts. The darker, the more weight.</p>
<div id="map"></div>
<script type="application/json" id="data">$data</script>
<script>
const data = JSON.parse(document.getElementById("data").textContent);
const layer = document.getElementById("layer"), head = document.getElementById("head");
const make = (kind, text) => {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  return made;
};
const choices = (select, names) =>
  select.replaceChildren(...names.map((name, index) => {
    const option = make("option", name);
    option.value = index;
    return option;
  }));
function draw() {
  const shown = data.layers[layer.value], map = document.getElementById("map");
  if (!shown.heads.length) {
    map.replaceChildren(make("p", "This mechanism gives no weights."));
    return;
  }
  const weights = shown.heads[head.value].weights, table = make("table");
  const top = table.createTHead().insertRow(), body = table.createTBody();
  top.append(make("th"), ...shown.columns.map(piece => make("th", piece)));
  weights.forEach((row, query) => {
    const line = body.insertRow();
    line.append(make("th", shown.rows[query]));
    row.forEach((weight, key) => {
      const cell = line.insertCell();
      const depth = Math.min(1, Math.max(0, weight));
      cell.style.background = `rgba(8, 48, 107, $${depth})`;
      cell.title = `$${shown.rows[query]} → $${shown.columns[key]}: $${weight}`;
      cell.onmouseover = () => { document.getElementById("cell").value = cell.title; };
    });
  });
  map.replaceChildren(table);
}
function enter() {
  const before = head.value;
  choices(head, data.layers[layer.value].heads.map(each => each.name));
  if (before && before < head.length) head.value = before;
  draw();
}
document.getElementById("pair").textContent = data.pair;
choices(layer, data.layers.map(each => each.name));
layer.onchange = enter;
head.onchange = draw;
enter();
</script>
</body>
</html>
""")


def page(sight: Sight, pair: tuple[str, str | None], first_head: int = 0) -> str:
    """Write the page.

    Args:
        pair: The lines, as a caption.
        first_head: Number of the first head shown.
    """
    data = {
        "pair": " → ".join(line for line in pair if line),
        "layers": [described(sight, each, first_head) for each in sight.layers],
    }
    return PAGE.substitute(data=json.dumps(data, ensure_ascii=False).translate(ESCAPED))


def described(sight: Sight, each: Weighed, first_head: int) -> dict[str, Any]:
    """Describe a layer as plain data."""
    heads = [] if each.weights is None else each.weights[0].double().tolist()
    return {
        "name": f"{each.role} {each.layer}",
        "rows": sight.rows(each.role),
        "columns": sight.columns(each.role),
        "heads": [
            {"name": str(number), "weights": [[round(w, DIGITS) for w in row] for row in rows]}
            for number, rows in enumerate(heads, first_head)
        ],
    }
