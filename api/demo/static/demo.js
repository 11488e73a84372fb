// Shows what stands behind the suggestions of a page, once they are there. Without scripts there are none.
"use strict";

// What the relay of this shop takes, it takes from its own pages alone.
for (const widget of document.querySelectorAll("tactful-suggestions")) {
  widget.headers = { "X-CSRF-Token": document.querySelector("input[name=csrf_token]").value };
}

for (const name of ["tactful:rendered", "tactful:empty"]) {
  document.addEventListener(name, (event) => {
    const panel = document.getElementById("behind");
    if (panel) htmx.ajax("GET", `/demo/behind/${encodeURIComponent(event.detail.decision_id)}`, { target: panel, swap: "innerHTML" });
  });
}
