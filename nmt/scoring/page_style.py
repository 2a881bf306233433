"""How the page of scores looks, and how its tables are sorted."""

STYLE = """
body { font: 14px sans-serif; margin: 2em; color: #222; background: #fff; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .3em .7em; border-bottom: 1px solid #ddd; text-align: right;
 vertical-align: top; font-variant-numeric: tabular-nums; }
.name { text-align: left; }
th button { font: inherit; font-weight: bold; border: 0; background: none; cursor: pointer; }
th[aria-sort=ascending] button::after { content: " \\25b2"; }
th[aria-sort=descending] button::after { content: " \\25bc"; }
td p { margin: 0 0 .5em; max-width: 60em; white-space: pre-wrap; text-align: start; }
td b { display: block; font-size: 11px; font-weight: normal; color: #666; }
ins { background: #d9f2d9; text-decoration: underline; }
del { background: #f8dcdc; text-decoration: line-through; }
figure { display: inline-block; margin: 0 2em 1em 0; }
figcaption { font-size: 12px; }
h3 { font-size: 13px; font-weight: normal; }
li { font-size: 12px; }
svg { border-bottom: 1px solid #222; }
rect { fill: #08306b; }
"""

SCRIPT = """
"use strict";
const number = text => parseFloat(text.replaceAll(",", ""));
const compare = (a, b) => {
  const x = number(a), y = number(b);
  if (!isNaN(x) && !isNaN(y) && x !== y) return x - y;
  if (isNaN(x) !== isNaN(y)) return isNaN(x) ? 1 : -1;
  return a.localeCompare(b);
};
function sort(table, column, head) {
  const before = head.getAttribute("aria-sort");
  const down = head.className === "name" ? before === "ascending" : before !== "descending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0], text = row => row.cells[column].textContent;
  const rows = [...body.rows].sort((a, b) => compare(text(a), text(b)) * (down ? -1 : 1));
  body.append(...rows);
}
for (const table of document.querySelectorAll("table.sortable"))
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.onclick = () => sort(table, column, head);
    head.replaceChildren(button);
  });
"""
