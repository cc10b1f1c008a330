// The page: takes each state, draws it, and says how fresh it is.

import { h, morph } from "./dom.js";
import { timeOfDay } from "./figures.js";
import { recentSection } from "./rollout.js";
import { noServices, serviceSection } from "./service.js";
import { sidecarsSection } from "./sidecars.js";
import { follow } from "./stream.js";

const link = document.getElementById("link");
let shown = null; // the time of the state on the page

function draw(state) {
  const page = h(
    "main",
    { id: "page" },
    state.trouble ? h("p", { class: "trouble", role: "alert" }, `The store: ${state.trouble}`) : null,
    state.services.length ? state.services.map((each) => serviceSection(each, state)) : noServices(),
    recentSection(state),
    sidecarsSection(state),
  );
  morph(document.getElementById("page"), page);
  shown = state.now;
  say("live", `live, as of ${timeOfDay(state.now)}`);
}

function lost() {
  document.getElementById("page").classList.toggle("stale", shown !== null);
  const what = shown === null ? "no answer" : `disconnected: this is how it stood at ${timeOfDay(shown)}`;
  say("lost", `${what}; trying again`);
}

function say(tone, text) {
  const className = `link ${tone}`;
  if (link.className !== className) link.className = className;
  if (link.textContent !== text) link.textContent = text;
}

async function paint() {
  try {
    const answer = await fetch("/api/state");
    if (answer.ok && shown === null) draw(await answer.json());
  } catch {
    lost();
  }
}

paint();
follow(draw, lost);
