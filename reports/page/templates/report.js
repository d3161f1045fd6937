"use strict";
// Comforts only: everything is on the page without them.
(function () {
  function make(tag, attributes, text) {
    var element = document.createElement(tag);
    Object.keys(attributes).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    if (text) { element.textContent = text; }
    return element;
  }

  // What is folded is printed too, and opens for who is sent there.
  function openFolds(within) {
    within.querySelectorAll("details").forEach(function (fold) {
      if (!fold.open) { fold.open = true; fold.dataset.opened = ""; }
    });
  }

  function closeFolds() {
    document.querySelectorAll("details[data-opened]").forEach(function (fold) {
      fold.open = false;
      delete fold.dataset.opened;
    });
  }

  function openNamed() {
    var named = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (named) { named.querySelectorAll("details.fold").forEach(function (fold) { fold.open = true; }); }
  }

  addEventListener("beforeprint", function () { openFolds(document); });
  addEventListener("afterprint", closeFolds);
  addEventListener("hashchange", openNamed);
  openNamed();

  function hidePassed(section) {
    var passed = section.querySelectorAll("tr[data-status='passed']").length;
    if (!passed) { return; }
    var button = make("button", { type: "button", class: "toggle", "aria-pressed": "false" }, "Hide what passed (" + passed + ")");
    button.addEventListener("click", function () {
      var hide = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(hide));
      section.classList.toggle("brief", hide);
    });
    section.querySelector("h2").insertAdjacentElement("afterend", button);
  }

  function makeSortable(table) {
    var body = table.tBodies[0], original = Array.from(body.rows);
    var heads = Array.from(table.tHead.rows[0].cells);
    function value(row, column) {
      var cell = row.cells[column];
      return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
    }
    function compare(column, numbers) {
      return function (a, b) {
        if (!numbers) { return a.cells[column].textContent.localeCompare(b.cells[column].textContent, undefined, { numeric: true }); }
        return value(a, column) - value(b, column);
      };
    }
    function sort(column, order) {
      var numbers = original.some(function (row) { return value(row, column) !== null; });
      var missing = numbers ? original.filter(function (row) { return value(row, column) === null; }) : [];
      var rows = original.filter(function (row) { return missing.indexOf(row) < 0; });
      if (order !== "none") { rows.sort(compare(column, numbers)); }
      if (order === "descending") { rows.reverse(); }
      body.append.apply(body, order === "none" ? original : rows.concat(missing));
      heads.forEach(function (head, other) { head.setAttribute("aria-sort", other === column ? order : "none"); });
    }
    heads.forEach(function (head, column) {
      var label = head.firstChild;
      var button = make("button", { type: "button", class: "sort" }, label.textContent.trim());
      head.replaceChild(button, label);
      // On paper a head is repeated on every page, and browsers leave buttons out of it.
      button.after(make("span", { class: "printed" }, button.textContent));
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", function () {
        var next = { none: "ascending", ascending: "descending", descending: "none" };
        sort(column, next[head.getAttribute("aria-sort")]);
      });
    });
  }

  function makeSelect(head, column, rows) {
    var values = Array.from(new Set(rows.map(function (row) { return row.cells[column].textContent; })));
    var select = make("select", { "data-column": column });
    select.append(make("option", { value: "" }, "all"));
    values.sort().forEach(function (each) { select.append(make("option", { value: each }, each)); });
    var field = make("label", {}, head.querySelector(".sort").textContent + " ");
    field.append(select);
    return field;
  }

  function makeFilterable(table) {
    var rows = Array.from(table.tBodies[0].rows);
    var texts = [];
    var bar = make("div", { class: "filters", role: "search", "aria-label": "Filter " + table.dataset.rows });
    var field = make("label", {}, "Text ");
    var input = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
    field.append(input);
    bar.append(field);
    Array.from(table.tHead.rows[0].cells).forEach(function (head, column) {
      if (head.dataset.choice !== undefined) { bar.append(makeSelect(head, column, rows)); }
    });
    var count = make("p", { class: "count", role: "status" });
    bar.append(count);
    function text(number) {
      if (!(number in texts)) { texts[number] = rows[number].textContent.replace(/\s+/g, " ").toLowerCase(); }
      return texts[number];
    }
    function apply() {
      var words = input.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0;
      var selects = Array.from(bar.querySelectorAll("select"));
      rows.forEach(function (row, number) {
        var fits = words.every(function (word) { return text(number).indexOf(word) >= 0; }) &&
          selects.every(function (select) { return !select.value || row.cells[select.dataset.column].textContent === select.value; });
        row.hidden = !fits;
        shown += fits;
      });
      count.textContent = shown === rows.length ? "All " + rows.length + " lines" : shown + " of " + rows.length + " lines";
    }
    bar.addEventListener("input", apply);
    apply();
    table.closest(".scroll").before(bar);
  }

  var budgets = document.getElementById("budgets");
  if (budgets) { hidePassed(budgets); }
  document.querySelectorAll("table[data-sortable]").forEach(function (table) {
    makeSortable(table);
    makeFilterable(table);
  });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (element) { element.open = true; });
  });
})();
