"use strict";
// Filters, copying, and opening everything for print. Without it the page shows all.
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const form = document.getElementById("filters");
  const query = document.getElementById("query");
  const caller = document.getElementById("caller");
  const refused = document.getElementById("refused");
  const count = document.getElementById("shown");
  const columns = all("#map thead th[data-caller]");

  const matches = (element, words) => {
    const text = element.textContent.toLowerCase();
    return words.every((word) => text.includes(word));
  };

  function apply() {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const who = caller.value;
    let shown = 0;
    columns.forEach((head, index) => {
      const hidden = who !== "" && head.dataset.caller !== who;
      head.hidden = hidden;
      all("#map tbody tr.operation").forEach((row) => { row.children[index + 1].hidden = hidden; });
    });
    all("#map tbody").forEach((body) => {
      let any = false;
      all("tr.operation", body).forEach((row) => {
        const cells = all("td", row).filter((cell) => !cell.hidden);
        const used = cells.some((cell) => cell.dataset.count !== "0");
        const bad = cells.some((cell) => cell.dataset.refused !== "0");
        const text = row.dataset.text + " " + (who || row.dataset.callers);
        const hit = words.every((word) => text.toLowerCase().includes(word));
        row.hidden = !(used && hit && (!refused.checked || bad));
        any = any || !row.hidden;
      });
      body.hidden = !any;
    });
    all("[data-row]").forEach((row) => {
      const mine = who === "" || row.dataset.caller === who;
      row.hidden = !(mine && matches(row, words) && (!refused.checked || row.dataset.refused !== "0"));
      if (!row.hidden && row.closest("#denials")) { shown += 1; }
    });
    all("[data-empty]").forEach((note) => {
      note.hidden = all("[data-row]", note.closest("section")).some((row) => !row.hidden);
    });
    count.textContent = words.length || who || refused.checked ? shown + " of " + all("#denials [data-row]").length + " denials shown" : "";
  }

  function read() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (["q", "caller", "refused"].some((name) => wanted.has(name))) {
      query.value = wanted.get("q") || "";
      caller.value = wanted.get("caller") || "";
      refused.checked = wanted.get("refused") === "1";
    }
    apply();
  }

  function keep() {
    const state = new URLSearchParams();
    if (query.value) { state.set("q", query.value); }
    if (caller.value) { state.set("caller", caller.value); }
    if (refused.checked) { state.set("refused", "1"); }
    history.replaceState(null, "", "#" + state.toString());
    apply();
  }

  async function copy(button) {
    const text = document.getElementById(button.dataset.copy).textContent;
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch (error) {
      const range = document.createRange();
      range.selectNodeContents(document.getElementById(button.dataset.copy));
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Selected: press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy policy"; }, 2000);
  }

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", keep);
  form.addEventListener("reset", () => setTimeout(keep, 0));
  addEventListener("hashchange", read);
  all("button[data-copy]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  });
  addEventListener("beforeprint", () => all("details").forEach((part) => { part.open = true; }));
  read();
})();
