// Who runs what, and what they said of the newest snapshot.

import { h } from "./dom.js";
import { snapshot } from "./figures.js";
import { badge, empty, since, table } from "./parts.js";

const COLUMNS = [
  ["node", null], ["service", null], ["answer", null], ["runs", "number"], ["sent", "number"],
  ["reported", "number"], ["says", "wide"],
];

const NONE = "No sidecar has connected. Give one this control service's address and a service to subscribe to";

export function sidecarsSection(state) {
  return h(
    "section",
    { class: "card", "data-key": "sidecars", "aria-label": "sidecars" },
    h("header", { class: "head" }, h("h2", null, "Sidecars"), tally(state.sidecars)),
    state.sidecars.length
      ? table("sidecars", COLUMNS, state.sidecars.map((each) => row(each, state.now)))
      : empty(`${NONE}:`, "understudy proxy --config sidecar.yaml"),
  );
}

function tally(sidecars) {
  if (!sidecars.length) return null;
  const connected = sidecars.filter((each) => each.connected).length;
  return h("p", { class: "facts" }, `${connected} of ${sidecars.length} connected`);
}

function row(each, now) {
  return {
    key: `${each.service} ${each.node}`,
    cells: [
      each.node,
      each.service,
      answer(each),
      snapshot(each.epoch, each.version),
      snapshot(each.sent_epoch, each.sent_version),
      since(each.reported_at, now),
      each.error || "–",
    ],
  };
}

function answer(each) {
  if (!each.connected) return badge("away", "plain");
  if (each.answer === "ack") return badge("confirmed", "good");
  return each.answer === "nack" ? badge("refused", "bad") : badge("waiting", "wait");
}
