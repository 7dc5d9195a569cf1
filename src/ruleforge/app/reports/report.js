"use strict";
const box = document.getElementById("filter");
const said = document.getElementById("said");
const rows = [...document.querySelectorAll("tbody tr")].map((row) => [row, row.textContent.toLowerCase()]);
function filter() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const [row, text] of rows) {
    row.hidden = !words.every((word) => text.includes(word));
    shown += !row.hidden;
  }
  said.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
}
box.addEventListener("input", filter);
function key(row, at) {
  const cell = row.cells[at];
  return cell.dataset.k === undefined ? cell.textContent : Number(cell.dataset.k);
}
for (const head of document.querySelectorAll("th button")) {
  head.addEventListener("click", () => {
    const th = head.parentElement, at = th.cellIndex, body = th.closest("table").tBodies[0];
    const up = th.getAttribute("aria-sort") === "descending";
    for (const other of th.parentElement.cells) other.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", up ? "ascending" : "descending");
    const sorted = [...body.rows].sort((a, b) => {
      const x = key(a, at), y = key(b, at);
      return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
    });
    body.append(...sorted);
  });
}
document.documentElement.dataset.ready = "yes";
