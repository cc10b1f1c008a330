// Small pieces that the sections are made of.

import { h, svg } from "./dom.js";
import { NOT_MEASURED, age } from "./figures.js";

// A table whose rows are lists of cells; columns are [title, class], the first one a row's header. On a
// narrow screen the rows become cards, each cell under its column's title.
export function table(name, columns, rows) {
  const header = h("tr", null, columns.map(([title, kind]) => h("th", { class: kind, scope: "col" }, title)));
  const body = rows.map(({ key, cells }) =>
    h("tr", { "data-key": key }, cells.map((content, index) => cell(content, columns[index], index === 0))),
  );
  return h(
    "div",
    { class: "scroll", "data-key": `table ${name}` },
    h("table", { "aria-label": name }, h("thead", null, header), h("tbody", null, body)),
  );
}

function cell(content, [title, kind], isHeader) {
  const isMissing = content === NOT_MEASURED || content === "–";
  const attributes = { class: [kind, isMissing ? "faint" : null].filter(Boolean).join(" ") || null };
  return isHeader
    ? h("th", { ...attributes, scope: "row" }, content)
    : h("td", { ...attributes, "data-label": title }, content);
}

export const badge = (text, tone) => h("span", { class: `badge ${tone}` }, text);

// How long ago, with the exact time on hovering.
export const since = (time, now) => (time ? h("time", { datetime: time, title: time }, age(time, now)) : "–");

// A bar divided by shares of 0 to 100: [{share, tone}].
export function bar(label, parts, kind = "bar") {
  let left = 0;
  const pieces = parts.map(({ share, tone }) => {
    const piece = svg("rect", { class: tone, x: `${left}%`, y: 0, width: `${share}%`, height: "100%" });
    left += share;
    return piece;
  });
  const rest = svg("rect", { class: "rest", width: "100%", height: "100%" });
  return svg("svg", { class: kind, role: "img", "aria-label": label }, rest, pieces);
}

// What is missing, and the command that brings it.
export function empty(text, command) {
  return h("p", { class: "empty" }, text, command ? [" ", h("code", null, command)] : null);
}

// A variant's name beside its colour; the colour is its place in the service.
export function variant(name, names) {
  return h("span", { class: "variant" }, h("i", { class: `dot ${hue(name, names)}` }), name);
}

export function hue(name, names) {
  const index = names.indexOf(name);
  return index < 0 ? "hue-x" : `hue-${index % 6}`;
}
