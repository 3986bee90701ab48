// Sorts and filters tables, and makes links work in a sandboxed frame. The page is complete without it.
"use strict";
const SORTED = 5, FILTERED = 20; // fewest rows of a table that is sorted, filtered
const DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

function numberIn(text) { // "−3 %", "×3.8 (3.3 to 4.0)", "1,444", "3/6", "7.70 × 10⁷"; NaN for none
  const plain = text.replace(/−/g, "-").replace(/,(?=\d{3})/g, "");
  const found = plain.match(/^[^\d(-]{0,2}(-?\d+(?:\.\d+)?)(?:\/(\d+)| × 10([⁰¹²³⁴⁵⁶⁷⁸⁹]+))?/);
  if (!found) return NaN;
  const exponent = [...(found[3] || "")].map(digit => DIGITS.indexOf(digit)).join("");
  return (found[1] / (found[2] || 1)) * 10 ** exponent;
}

function sort(table, column, up) {
  const value = row => row.cells[column].textContent.trim();
  const numeric = table.tHead.rows[0].cells[column].classList.contains("n");
  const rows = [...table.tBodies[0].rows].map(row => [row, numeric ? numberIn(value(row)) : value(row)]);
  rows.sort(([, a], [, b]) => numeric
    ? Number.isNaN(a) - Number.isNaN(b) || (up ? a - b : b - a) || 0 // rows without a number are last
    : (up ? 1 : -1) * a.localeCompare(b, "en", {numeric: true}));
  table.tBodies[0].append(...rows.map(([row]) => row));
}

for (const table of document.querySelectorAll("table:not(.changes)")) {
  const rows = [...table.tBodies[0].rows], heads = [...table.tHead.rows[0].cells];
  if (rows.length >= SORTED) {
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = head.classList.contains("n") ? "descending" : "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const order = head.getAttribute("aria-sort") === first ? other : first;
        heads.forEach(each => each.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        sort(table, column, order === "ascending");
      });
    });
  }
  if (rows.length >= FILTERED) {
    const input = document.createElement("input");
    Object.assign(input, {type: "search", placeholder: "Show rows with …", className: "filter"});
    input.setAttribute("aria-label", "Show only the rows with these words");
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/);
      for (const row of rows) row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
    });
    (table.closest(".scroll") ?? table).before(input);
  }
}

if (window.self !== window.top) { // MLflow's artifact viewer: no addresses within the page, no new tabs, no files beside it
  document.addEventListener("click", event => {
    const link = event.target.closest("a[href]");
    if (!link) return;
    const address = link.getAttribute("href");
    if (address.startsWith("#")) {
      const target = document.getElementById(address.slice(1));
      for (let above = target; above; above = above.parentElement) if (above.tagName === "DETAILS") above.open = true;
      target.scrollIntoView();
    } else if (!/^https?:/.test(address)) {
      tell(link, link.download ? `figures/${link.download}` : address, "Open this file in the list of artifacts:");
    } else if (!window.open(address, "_blank")) {
      tell(link, address, "Links are blocked here. Copy the address:");
    }
    event.preventDefault();
  });
}

function tell(link, address, why) { // a field with an address, below the link
  if (link.nextElementSibling?.className === "address") return;
  const label = document.createElement("label"), input = document.createElement("input");
  Object.assign(label, {className: "address", textContent: why});
  Object.assign(input, {readOnly: true, value: address});
  label.append(input);
  link.after(label);
  input.select();
}
