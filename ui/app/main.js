import { render } from "preact";
import { App } from "./app.js";
import { resume } from "./editing.js";
import { html } from "./html.js";
import * as live from "./live.js";
import { refusals } from "./rest.js";
import * as router from "./router.js";
import { identify, identity, toLogin } from "./session.js";

router.begin();
live.begin();
identity.subscribe((who) => {
  if (who) void resume();
});
refusals.subscribe((n) => {
  if (n > 0) toLogin();
});

const root = document.getElementById("app");
if (root) {
  root.replaceChildren();
  render(html`<${App} />`, root);
}

/** Asks who is logged in until the agent answers: it may be starting. */
async function start() {
  if (!(await identify())) setTimeout(start, 1000);
}
void start();
