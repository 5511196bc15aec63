// Tables sort by a column when its head is pressed; without this script they just stay as they are.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (body.rows.length < 3) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => {
        const cell = row.cells[column];
        const exact = cell.querySelector("data");
        const text = cell.textContent.replaceAll(",", "").replace("−", "-");
        const number = exact ? Number(exact.value) : Number.parseFloat(text);
        return [Number.isNaN(number) ? null : number, cell.textContent];
      };
      const rows = [...body.rows].map((row) => [value(row), row]);
      rows.sort(([[a, s], ], [[b, t], ]) =>
        a !== null && b !== null ? a - b : a !== null ? -1 : b !== null ? 1 : s.localeCompare(t));
      if (down) rows.reverse();
      body.append(...rows.map(([, row]) => row));
    });
  });
}
