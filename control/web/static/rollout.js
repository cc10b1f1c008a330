// A rollout: its stages as a track, and what the current one is judged on.

import { h } from "./dom.js";
import { clock, count, latency, measure, percent, ratio, seconds, snapshot, NOT_MEASURED } from "./figures.js";
import { badge, bar, empty, since, table, variant } from "./parts.js";

const PHASES = { Pending: "plain", Progressing: "busy", Paused: "wait", Succeeded: "good", RolledBack: "bad", Aborted: "bad" };
const STATES = { passed: "good", failed: "bad", baking: "busy", waiting: "wait", paused: "wait" };
const VERDICTS = { pass: "good", fail: "bad", inconclusive: "wait" };
const BEGUN = (stage) => stage.criteria.length > 0 || stage.arms.length > 0;

// An active one, within its service.
export function rolloutPanel(status, names, now) {
  return h(
    "article",
    { class: "rollout", "data-key": `rollout ${status.rollout.name}`, "aria-label": `rollout ${status.rollout.name}` },
    h("header", { class: "head" }, h("h3", null, status.rollout.name, phase(status)), h("p", { class: "facts" }, change(status, names), h("span", null, "started ", since(status.started_at, now)))),
    h("p", { class: "reason" }, status.reason),
    body(status, names),
  );
}

// The ended ones, each to be opened.
export function recentSection(state) {
  const active = new Set(state.services.map((each) => each.rollout));
  const ended = state.rollouts.filter((each) => !active.has(each.rollout.name));
  const older = state.older_rollouts;
  if (!ended.length && state.rollouts.length) return null;
  return h(
    "section",
    { class: "card", "data-key": "recent", "aria-label": "recent rollouts" },
    h("header", { class: "head" }, h("h2", null, "Recent rollouts")),
    ended.length ? ended.map((each) => recent(each, state)) : empty("No rollout yet. Start one:", "understudy rollout start -f rollout.yaml"),
    older > 0 ? h("p", { class: "more" }, `${count(older)} older: `, h("code", null, "understudy rollout list")) : null,
  );
}

function recent(status, state) {
  const service = state.services.find((each) => each.service.name === status.rollout.service);
  const names = (service?.service.variants ?? []).map((each) => each.name);
  return h(
    "details",
    { class: "rollout ended", "data-key": `rollout ${status.rollout.name}` },
    h(
      "summary",
      null,
      h("b", null, status.rollout.name),
      phase(status),
      h("span", { class: "summary-service" }, status.rollout.service),
      h("span", { class: "reason" }, status.reason),
      since(status.ended_at ?? status.started_at, state.now),
    ),
    h("p", { class: "facts" }, change(status, names)),
    body(status, names),
  );
}

const phase = (status) => [
  badge(status.phase, PHASES[status.phase] ?? "plain"),
  status.failing && status.phase === "Progressing" ? badge("failing", "bad") : null,
];

function change(status, names) {
  const label = (version) => (version ? ` ${version}` : "");
  return h(
    "span",
    { class: "change" },
    variant(status.stable, names), label(status.stable_version),
    " → ",
    variant(status.rollout.candidate, names), label(status.canary_version),
    ` at ${percent(status.canary_percentage)}`,
    status.rollout.route ? ` on ${status.rollout.route}` : "",
  );
}

function body(status, names) {
  const current = status.stages[status.stage];
  const others = status.stages.filter((stage) => stage !== current && BEGUN(stage));
  return [
    h("ol", { class: "track", "data-key": "track" }, status.stages.map((stage) => stageItem(stage, stage === current))),
    unconfirmed(status),
    current && BEGUN(current) ? evidence(current, names) : null,
    others.map((stage) =>
      h("details", { class: "more", "data-key": `stage ${stage.stage.name}` }, h("summary", null, `What ${stage.stage.name} was judged on`), evidence(stage, names)),
    ),
    exemplars(status, names),
  ];
}

function stageItem(stage, isCurrent) {
  const whole = seconds(stage.stage.bake) ?? 0;
  const done = seconds(stage.elapsed) ?? 0;
  const isOver = stage.state === "passed";
  const share = isOver ? 100 : whole > 0 ? Math.min(100, (100 * done) / whole) : 0;
  const tone = STATES[stage.state] ?? "plain";
  const isBegun = !["pending", "skipped", ""].includes(stage.state);
  const time = whole > 0 ? (isBegun ? `${clock(done)} of ${clock(whole)}` : clock(whole)) : "";
  return h(
    "li",
    { class: `stage ${tone}`, "data-key": stage.stage.name, "aria-current": isCurrent ? "step" : null },
    bar(`${stage.stage.name}: ${stage.state}, ${Math.round(share)}% of its bake`, [{ share, tone: `fill-${tone}` }], "progress"),
    h("b", null, stage.stage.name),
    h("span", { class: "stage-state" }, stage.state || "pending", stage.stage.pause ? ", then waits for promote" : ""),
    h("span", null, traffic(stage.stage)),
    h("span", { class: "stage-time" }, time),
  );
}

function traffic(stage) {
  const parts = [];
  if (stage.percent > 0 || !(stage.mirror_percent > 0)) parts.push(`${percent(stage.percent)} of calls`);
  if (stage.mirror_percent > 0) parts.push(`${percent(stage.mirror_percent)} copied`);
  return parts.join(", ");
}

function unconfirmed(status) {
  const where = snapshot(status.epoch, status.version);
  if (!status.unconfirmed.length) return null;
  return h(
    "div",
    { class: "notice", "data-key": "unconfirmed" },
    h("b", null, `${status.acked} of ${status.connected} sidecars confirmed snapshot ${where}`),
    h("ul", null, status.unconfirmed.map((each) => h("li", { "data-key": each.node }, `${each.node} `, each.answer === "nack" ? `refused it: ${each.error || "no reason given"}` : "has not answered"))),
  );
}

function evidence(stage, names) {
  const criteria = stage.criteria.map((each) => ({
    key: each.require,
    cells: [
      h("code", null, each.require),
      badge(each.verdict || "inconclusive", VERDICTS[each.verdict] ?? "wait"),
      measure(each.require, each.value),
      measure(each.require, each.bound),
      each.detail || "–",
    ],
  }));
  const arms = stage.arms.map((arm) => ({ key: `${arm.variant} ${arm.mirrored}`, cells: armCells(arm, names) }));
  return h(
    "div",
    { class: "evidence", "data-key": "evidence" },
    criteria.length ? table(`criteria of ${stage.stage.name}`, [["criterion", null], ["verdict", null], ["value", "number"], ["bound", "number"], ["judged on", "wide"]], criteria) : null,
    arms.length ? table(`arms of ${stage.stage.name}`, [["arm", null], ["calls", "number"], ["share", "number"], ["errors", "number"], ["p50", "number"], ["p99", "number"], ["match", "number"]], arms) : null,
  );
}

function armCells(arm, names) {
  const calls = Number(arm.calls);
  const compared = Number(arm.matched) + Number(arm.mismatched);
  return [
    [variant(arm.variant, names), arm.mirrored ? badge("copies", "plain") : null],
    count(calls),
    arm.mirrored ? "–" : calls ? ratio(arm.share) : NOT_MEASURED,
    calls ? ratio(Number(arm.errors) / calls) : NOT_MEASURED,
    latency(seconds(arm.latency_p50)),
    latency(seconds(arm.latency_p99)),
    arm.mirrored ? (compared ? ratio(Number(arm.matched) / compared) : NOT_MEASURED) : "–",
  ];
}

function exemplars(status, names) {
  if (!status.exemplars.length) return null;
  const rows = status.exemplars.map((each, index) => ({
    key: `${each.trace_id || index} ${each.kind}`,
    cells: [
      each.kind,
      [variant(each.variant, names), each.mirrored ? badge("copy", "plain") : null],
      each.code || "–",
      latency(seconds(each.latency)),
      trace(each, status.trace_url),
    ],
  }));
  return h(
    "details",
    { class: "more", "data-key": "exemplars" },
    h("summary", null, "Calls worth looking at"),
    table("calls worth looking at", [["why", null], ["variant", null], ["code", null], ["latency", "number"], ["trace", "wide"]], rows),
  );
}

function trace(exemplar, pattern) {
  if (!exemplar.trace_id) return "not traced";
  const address = pattern.replace("{trace_id}", encodeURIComponent(exemplar.trace_id));
  const id = h("code", null, exemplar.trace_id);
  return /^https?:\/\//.test(address) ? h("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, id) : id;
}
