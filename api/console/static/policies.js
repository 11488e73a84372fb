// What the editor of policies does beyond htmx; without scripts every button of it works all the same.
"use strict";

// A finding in the text leads to the line and column that it is about.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-line]");
  const text = document.getElementById("text");
  if (!link || !text) return;
  event.preventDefault();
  const lines = text.value.split("\n");
  const line = Math.min(Number(link.dataset.line), lines.length) - 1;
  const start = lines.slice(0, line).reduce((sum, each) => sum + each.length + 1, 0);
  text.focus();
  text.setSelectionRange(start + Number(link.dataset.column) - 1, start + lines[line].length);
  text.scrollTop = (line / lines.length) * text.scrollHeight - text.clientHeight / 3;
});

// What is wrong with a field is also told to those who cannot see its colour.
document.addEventListener("htmx:oobAfterSwap", (event) => {
  const place = event.detail.target;
  if (!place || !place.id) return;
  for (const field of document.querySelectorAll(`[aria-describedby~="${place.id}"]`)) {
    const wrong = document.getElementById(place.id).querySelector(".error:not(.missing)");
    if (wrong) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
});
