// A service: where its traffic goes now, and the last minute of each variant.

import { h } from "./dom.js";
import { latency, percent, perSecond, ratio, seconds, snapshot, NOT_MEASURED } from "./figures.js";
import { badge, bar, empty, hue, since, table, variant } from "./parts.js";
import { rolloutPanel } from "./rollout.js";

const FIGURES = [
  ["variant", null], ["version", null], ["weight", "number"], ["calls", "number"], ["errors", "number"],
  ["p50", "number"], ["p99", "number"], ["copies", "number"], ["match", "number"], ["live at", "number"],
];

export function serviceSection(status, state) {
  const { service } = status;
  const names = service.variants.map((each) => each.name);
  const active = state.rollouts.filter((each) => each.rollout.name === status.rollout);
  return h(
    "section",
    { class: "card", "data-key": `service ${service.name}`, "aria-label": `service ${service.name}` },
    h("header", { class: "head" }, h("h2", null, service.name), facts(status, state)),
    active.map((each) => rolloutPanel(each, names, state.now)),
    h("div", { class: "routes", "data-key": "routes" }, service.routes.map((route) => routeBar(route, names))),
    table("variants, last minute", FIGURES, service.variants.map((each) => variantRow(each, status, names))),
  );
}

export const stableOf = (service) => service.stable || (service.variants[0] ?? { name: "" }).name;

function facts(status, state) {
  const sidecars = state.sidecars.filter((each) => each.service === status.service.name && each.connected);
  const current = sidecars.filter((each) => each.epoch === status.epoch && each.version === status.version);
  const there = sidecars.length
    ? `${current.length} of ${sidecars.length} sidecars run it`
    : "no sidecar is connected";
  return h(
    "ul",
    { class: "facts" },
    h("li", null, "stable ", h("b", null, stableOf(status.service))),
    h("li", null, "snapshot ", h("b", null, snapshot(status.epoch, status.version))),
    h("li", { class: sidecars.length && current.length === sidecars.length ? null : "wait-text" }, there),
    h("li", null, "changed ", since(status.updated_at, state.now)),
  );
}

function shares(route) {
  const weights = Object.entries(route.split?.weights ?? {});
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
  return total > 0 ? weights.map(([name, weight]) => ({ name, share: (100 * weight) / total })) : [];
}

function routeBar(route, names) {
  const parts = shares(route).filter((each) => each.share > 0);
  parts.sort((one, other) => names.indexOf(one.name) - names.indexOf(other.name));
  const text = parts.map((each) => `${each.name} ${percent(each.share)}`).join(", ");
  const copies = route.mirrors.map((each) => `${each.variant} ${percent(each.percent ?? 0)}`).join(", ");
  const fits = matchText(route.match);
  return h(
    "div",
    { class: "route", "data-key": `route ${route.name}` },
    h("span", { class: "route-name", title: fits }, route.name, h("small", null, fits)),
    bar(`route ${route.name}: ${text}`, parts.map(({ name, share }) => ({ share, tone: hue(name, names) }))),
    h(
      "span",
      { class: "legend" },
      parts.map((each) => h("span", null, variant(each.name, names), " ", h("b", null, percent(each.share)))),
      copies ? h("span", { class: "copies" }, `copies: ${copies}`) : null,
    ),
  );
}

function matchText(match) {
  const headers = (match?.headers ?? []).map((each) => {
    if (each.exact !== undefined) return `${each.name} = ${each.exact}`;
    if (each.prefix !== undefined) return `${each.name} = ${each.prefix}*`;
    if (each.regex !== undefined) return `${each.name} ~ ${each.regex}`;
    return `${each.name} is ${each.present ? "there" : "not there"}`;
  });
  const methods = (match?.methods ?? []).map((each) => each.replace(/^.*\/(?=.)/, ""));
  return [methods.join(" or "), ...headers].filter(Boolean).join(" and ") || "every call";
}

// The share on the route that a rollout changes, else on the last one that asks for no header.
function weightOf(name, status) {
  const isOpen = (route) => !(route.match?.headers ?? []).length && shares(route).length > 0;
  const open = status.service.routes.filter(isOpen);
  const split = open.filter((route) => shares(route).filter((each) => each.share > 0).length > 1);
  const route = split.at(-1) ?? open.at(-1);
  if (!route) return "–";
  return percent(shares(route).find((each) => each.name === name)?.share ?? 0);
}

function variantRow(each, status, names) {
  const seen = status.variants.find((one) => one.name === each.name);
  const isSeen = seen !== undefined && (seen.seen_by > 0 || Number(seen.live?.calls) > 0);
  const live = seen?.live ?? {};
  const rate = (arm) => (isSeen ? perSecond(arm?.calls_per_second ?? 0) : NOT_MEASURED);
  return {
    key: each.name,
    cells: [
      [variant(each.name, names), role(each.name, status.service)],
      h("span", { title: each.target }, each.version || "–"),
      weightOf(each.name, status),
      rate(live),
      ratio(live.error_rate),
      latency(seconds(live.latency_p50)),
      latency(seconds(live.latency_p99)),
      rate(seen?.mirrored),
      ratio(seen?.match_rate),
      liveAt(seen),
    ],
  };
}

function role(name, service) {
  if (name === stableOf(service)) return badge("stable", "plain");
  return name === service.fallback ? badge("fallback", "plain") : null;
}

function liveAt(seen) {
  if (!seen?.seen_by) return NOT_MEASURED;
  const text = `${seen.live_at} of ${seen.seen_by}`;
  return seen.live_at < seen.seen_by ? badge(text, seen.live_at ? "wait" : "bad") : text;
}

export function noServices() {
  return h(
    "section",
    { class: "card", "data-key": "none" },
    h("header", { class: "head" }, h("h2", null, "Services")),
    empty("No service yet. Apply one:", "understudy service apply -f service.yaml"),
  );
}
