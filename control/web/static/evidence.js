// What decisions rest on: a stage's criteria and arms, and calls worth looking at.

import { h } from "./dom.js";
import { count, latency, measure, ratio, seconds, NOT_MEASURED } from "./figures.js";
import { badge, table, variant } from "./parts.js";

const VERDICTS = { pass: "good", fail: "bad", inconclusive: "wait" };
const CRITERIA = [
  ["criterion", null], ["verdict", null], ["value", "number"], ["bound", "number"], ["judged on", "wide"],
];
const ARMS = [
  ["arm", null], ["calls", "number"], ["share", "number"], ["errors", "number"], ["p50", "number"],
  ["p99", "number"], ["match", "number"],
];
const CALLS = [["why", null], ["variant", null], ["code", null], ["latency", "number"], ["trace", "wide"]];

export const hasEvidence = (stage) => stage.criteria.length > 0 || stage.arms.length > 0;

export function evidence(stage, names) {
  const { name } = stage.stage;
  const criteria = stage.criteria.map((each) => ({ key: each.require, cells: criterion(each) }));
  const arms = stage.arms.map((each) => ({ key: `${each.variant} ${each.mirrored}`, cells: arm(each, names) }));
  return h(
    "div",
    { class: "evidence", "data-key": "evidence" },
    criteria.length ? table(`criteria of ${name}`, CRITERIA, criteria) : null,
    arms.length ? table(`arms of ${name}`, ARMS, arms) : null,
  );
}

function criterion(each) {
  return [
    h("code", null, each.require),
    badge(each.verdict || "inconclusive", VERDICTS[each.verdict] ?? "wait"),
    measure(each.require, each.value),
    measure(each.require, each.bound),
    each.detail || "–",
  ];
}

function arm(each, names) {
  const calls = Number(each.calls);
  return [
    [variant(each.variant, names), each.mirrored ? badge("copies", "plain") : null],
    count(calls),
    each.mirrored ? "–" : calls ? ratio(each.share) : NOT_MEASURED,
    calls ? ratio(Number(each.errors) / calls) : NOT_MEASURED,
    latency(seconds(each.latency_p50)),
    latency(seconds(each.latency_p99)),
    each.mirrored ? matched(each) : "–",
  ];
}

function matched(each) {
  const compared = Number(each.matched) + Number(each.mismatched);
  return compared ? ratio(Number(each.matched) / compared) : NOT_MEASURED;
}

export function exemplars(status, names) {
  if (!status.exemplars.length) return null;
  const rows = status.exemplars.map((each, index) => ({
    key: `${each.trace_id || index} ${each.kind}`,
    cells: [
      each.kind,
      [variant(each.variant, names), each.mirrored ? badge("copy", "plain") : null],
      each.code || "–",
      latency(seconds(each.latency)),
      trace(each.trace_id, status.trace_url),
    ],
  }));
  return h(
    "details",
    { class: "more", "data-key": "exemplars" },
    h("summary", null, "Calls worth looking at"),
    table("calls worth looking at", CALLS, rows),
  );
}

// A link only where the control service names a viewer on the web.
function trace(id, viewer) {
  if (!id) return "not traced";
  const address = viewer.replace("{trace_id}", encodeURIComponent(id));
  const text = h("code", null, id);
  const isWeb = /^https?:\/\//.test(address);
  return isWeb ? h("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, text) : text;
}
