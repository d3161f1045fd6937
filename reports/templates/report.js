"use strict";
(function () {
  var budgets = document.getElementById("budgets");
  var open = budgets ? Array.prototype.slice.call(budgets.querySelectorAll("tr[data-status='passed']")) : [];
  if (open.length) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "toggle";
    button.setAttribute("aria-pressed", "false");
    button.textContent = "Hide what passed (" + open.length + ")";
    button.addEventListener("click", function () {
      var hide = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(hide));
      button.textContent = (hide ? "Show what passed (" : "Hide what passed (") + open.length + ")";
      budgets.classList.toggle("brief", hide);
    });
    budgets.querySelector("h2").insertAdjacentElement("afterend", button);
  }
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (element) { element.open = true; });
  });
})();
