// What pages do beyond htmx. Nothing needs it: every link and form works without scripts.
"use strict";

// Parts of a page are asked for with the token that its forms hold.
document.addEventListener("htmx:configRequest", (event) => {
  const token = document.querySelector("input[name=csrf_token]");
  if (token) event.detail.headers["X-CSRF-Token"] = token.value;
});

// The menu of a small screen closes with Escape, and focus goes back to what opened it.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll("details.menu[open]")) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});

// A form that cannot be taken back asks once more.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});
