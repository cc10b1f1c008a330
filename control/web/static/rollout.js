// A rollout: where it stands, its stages as a track, and who has not confirmed its configuration.

import { h } from "./dom.js";
import { evidence, exemplars, hasEvidence } from "./evidence.js";
import { clock, count, percent, seconds, snapshot } from "./figures.js";
import { badge, bar, empty, since, variant } from "./parts.js";

const PHASES = {
  Pending: "plain", Progressing: "busy", Paused: "wait", Succeeded: "good", RolledBack: "bad", Aborted: "bad",
};
const STATES = { passed: "good", failed: "bad", baking: "busy", waiting: "wait", paused: "wait" };
const NOT_BEGUN = ["pending", "skipped", ""];

// An active one, within its service.
export function rolloutPanel(status, names, now) {
  const { name } = status.rollout;
  return h(
    "article",
    { class: "rollout", "data-key": `rollout ${name}`, "aria-label": `rollout ${name}` },
    h(
      "header",
      { class: "head" },
      h("h3", null, name, phase(status)),
      h(
        "p",
        { class: "facts" },
        change(status, names),
        h("span", null, "started ", since(status.started_at, now)),
      ),
    ),
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
    ended.length
      ? ended.map((each) => recent(each, state))
      : empty("No rollout yet. Start one:", "understudy rollout start -f rollout.yaml"),
    older > 0
      ? h("p", { class: "more" }, `${count(older)} older: `, h("code", null, "understudy rollout list"))
      : null,
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
  const others = status.stages.filter((stage) => stage !== current && hasEvidence(stage));
  const stages = status.stages.map((stage) => stageItem(stage, stage === current));
  return [
    h("ol", { class: "track", "data-key": "track" }, stages),
    unconfirmed(status),
    current && hasEvidence(current) ? evidence(current, names) : null,
    others.map((stage) => pastStage(stage, names)),
    exemplars(status, names),
  ];
}

function pastStage(stage, names) {
  const { name } = stage.stage;
  return h(
    "details",
    { class: "more", "data-key": `stage ${name}` },
    h("summary", null, `What ${name} was judged on`),
    evidence(stage, names),
  );
}

function stageItem(stage, isCurrent) {
  const whole = seconds(stage.stage.bake) ?? 0;
  const done = seconds(stage.elapsed) ?? 0;
  const share = stage.state === "passed" ? 100 : whole > 0 ? Math.min(100, (100 * done) / whole) : 0;
  const tone = STATES[stage.state] ?? "plain";
  const label = `${stage.stage.name}: ${stage.state}, ${Math.floor(share)}% of its bake`;
  return h(
    "li",
    { class: `stage ${tone}`, "data-key": stage.stage.name, "aria-current": isCurrent ? "step" : null },
    bar(label, [{ share, tone: `fill-${tone}` }], "progress"),
    h("b", null, stage.stage.name),
    h("span", { class: "stage-state" }, stage.state || "pending", stage.stage.pause ? ", then waits" : ""),
    h("span", null, traffic(stage.stage)),
    h("span", { class: "stage-time" }, bake(stage.state, done, whole)),
  );
}

function bake(state, done, whole) {
  if (whole <= 0) return "";
  return NOT_BEGUN.includes(state) ? clock(whole) : `${clock(done)} of ${clock(whole)}`;
}

function traffic(stage) {
  const parts = [];
  if (stage.percent > 0 || !(stage.mirror_percent > 0)) parts.push(`${percent(stage.percent)} of calls`);
  if (stage.mirror_percent > 0) parts.push(`${percent(stage.mirror_percent)} copied`);
  return parts.join(", ");
}

function unconfirmed(status) {
  if (!status.unconfirmed.length) return null;
  const where = snapshot(status.epoch, status.version);
  const says = (each) =>
    each.answer === "nack" ? `refused it: ${each.error || "no reason given"}` : "has not answered";
  const lines = status.unconfirmed.map((each) => h("li", { "data-key": each.node }, `${each.node} ${says(each)}`));
  return h(
    "div",
    { class: "notice", "data-key": "unconfirmed" },
    h("b", null, `${status.acked} of ${status.connected} sidecars confirmed snapshot ${where}`),
    h("ul", null, lines),
  );
}
