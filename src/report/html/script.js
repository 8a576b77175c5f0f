"use strict";
// Sorting, narrowing and searching the tables. Without this the tables are
// there all the same, in the order in which they need a look.
for (const table of document.querySelectorAll("table.live")) {
  const body = table.tBodies[0];
  const given = [...body.rows];
  let order = given;

  const key = (row, column, numeric) => {
    const cell = row.cells[column];
    const text = cell.dataset.v ?? cell.textContent.trim();
    return numeric ? (text === "" ? NaN : parseFloat(text.replaceAll(",", ""))) : text;
  };
  const words = new Intl.Collator("en", { numeric: true });
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      for (const other of heads) other.removeAttribute("aria-sort");
      if (was === "descending") {
        order = given;
      } else {
        const turn = was === "ascending" ? -1 : 1;
        head.setAttribute("aria-sort", turn > 0 ? "ascending" : "descending");
        const numeric = head.dataset.sort === "n";
        const keyed = given.map((row) => [key(row, column, numeric), row]);
        const empty = (value) => value === "" || Number.isNaN(value);
        keyed.sort(([a], [b]) => {
          // What is empty stays at the end.
          if (empty(a) || empty(b)) return empty(a) - empty(b);
          return turn * (numeric ? a - b : words.compare(a, b));
        });
        order = keyed.map(([, row]) => row);
      }
      body.append(...order);
    });
  });

  const section = table.closest("section");
  const tools = section.querySelector("search");
  if (!tools) continue;
  const find = tools.querySelector("input");
  const state = tools.querySelector("select");
  const status = tools.querySelector("[role=status]");
  const none = section.querySelector(".none");
  let texts;
  const count = (n) => n.toLocaleString("en");
  const narrow = () => {
    texts ??= new Map(given.map((row) => [row, row.textContent.toLowerCase()]));
    const asked = find.value.toLowerCase().split(/[\s,;]+/).filter((word) => word);
    let shown = 0;
    for (const row of given) {
      const here =
        (state.value === "" || row.dataset.s.split(" ").includes(state.value)) &&
        asked.every((word) => texts.get(row).includes(word));
      row.hidden = !here;
      shown += here;
    }
    status.textContent =
      shown === given.length ? `${count(shown)} shown` : `${count(shown)} of ${count(given.length)} shown`;
    none.hidden = shown > 0;
    mark(asked);
  };
  // Opens the lists of IDs that hold what was searched for, while the rows are
  // few, and marks it.
  let opened = [];
  const mark = (asked) => {
    for (const list of opened) list.open = false;
    opened = [];
    const ranges = [];
    const long = asked.filter((word) => word.length > 2);
    const rows = order.filter((row) => !row.hidden);
    if (long.length && rows.length <= 200) {
      for (const row of rows) {
        const walk = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
        for (let node = walk.nextNode(); node; node = walk.nextNode()) {
          const text = node.data.toLowerCase();
          for (const word of long) {
            const at = text.indexOf(word);
            if (at < 0) continue;
            const list = node.parentElement.closest("details p")?.parentElement;
            if (list && !list.open && rows.length <= 20) {
              list.open = true;
              opened.push(list);
            }
            const range = new Range();
            range.setStart(node, at);
            range.setEnd(node, at + word.length);
            ranges.push(range);
          }
        }
      }
    }
    if ("highlights" in CSS) CSS.highlights.set("found", new Highlight(...ranges));
  };
  find.addEventListener("input", narrow);
  state.addEventListener("change", narrow);
  tools.hidden = false;
  narrow();
}
