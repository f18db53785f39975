// Requests as they come, newest first.

import { h } from "/page/dom.js";
import { clock, empty, milliseconds, plural } from "/page/words.js";

const KEPT = 1000;
const SHOWN = 150;

let rows = []; // newest first
let last = 0;
let filter = "";
let only = false;
let held = null; // the rows at the moment when somebody wanted them to stand still

export const title = () => "Requests";

export async function look(desk) {
  let found = await desk.get(`/page/data/requests?from=${last}`);
  if (found.requests < last) { // the server was started again
    [rows, last, held] = [[], 0, null];
    found = await desk.get("/page/data/requests?from=0");
  }
  if (!found.seen.length) return;
  last = found.seen.at(-1).number;
  rows = [...found.seen.reverse(), ...rows].slice(0, KEPT);
}

export function show(seen, desk) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = (held ?? rows).filter((row) => (!only || row.unserved || row.status >= 400 || row.status === 0) && words.every((word) => line(row).includes(word)));
  return [h("section", { key: "requests", "aria-labelledby": "title" },
    h("h1", { id: "title" }, "Requests"),
    h("p", { class: "soft" }, `${plural(seen.requests, "request")} since the server started`, seen.unserved > 0 && h("b", { class: "bad-text" }, `; ${plural(seen.unserved, "request")} that the emulator does not know`), ". Bodies, keys and tokens are not shown."),
    h("div", { class: "tools", role: "search" },
      h("input", { type: "search", placeholder: "Filter: PUT jobs 409", "aria-label": "Filter requests", value: filter, oninput: (event) => { filter = event.target.value; desk.render(); } }),
      h("button", { type: "button", "aria-pressed": String(only), onclick: () => { only = !only; desk.render(); } }, "Only failures"),
      h("button", { type: "button", "aria-pressed": String(held !== null), onclick: () => { held = held ? null : rows; desk.render(); } }, "Hold")),
    rows.length === 0 ? nothing : shown.length === 0 ? h("p", { class: "soft" }, "None of the requests is like that.")
      : h("table", { class: "requests" }, h("thead", {}, h("tr", {}, ["Time", "Status", "Method", "Path", "api-version", "Took"].map((word) => h("th", { scope: "col" }, word)))),
        h("tbody", {}, shown.slice(0, SHOWN).map(row))),
    shown.length > SHOWN && h("p", { class: "soft" }, `The newest ${SHOWN} of ${shown.length.toLocaleString("en")} are shown; the filter finds the others.`))];
}

const nothing = empty("No requests yet", "Lead a program here, and every request that it makes to Azure stands in this list:",
  "phi-azure emulator -- python your_script.py");

const line = (row) => `${row.method} ${row.status || "broken"} ${row.host}${row.path} ${row.version}`.toLowerCase();

const mood = (row) => (row.unserved ? "unserved" : row.status >= 400 || row.status === 0 ? "refused" : "");

const code = (row) => h("span", { class: `code ${mood(row)}`, title: row.unserved ? "The emulator does not know this request." : undefined }, row.status ? String(row.status) : "cut");

function row(one) {
  return h("tr", { key: one.number, class: mood(one) },
    h("td", { class: "when" }, clock(one.at)), h("td", {}, code(one)), h("td", { class: "method" }, one.method),
    h("td", { class: "path", title: `${one.host}${one.path}` }, essence(one.path), " ", h("span", { class: "host" }, one.host), one.unserved && h("b", { class: "bad-text" }, " not served")),
    h("td", { class: "version" }, one.version), h("td", { class: "took" }, milliseconds(one.ms)));
}

/** A path without the long beginning that almost all have: subscription, group, provider and workspace. */
function essence(path) {
  const before = /^(?:\/[a-z]+\/v[\d.]+)?\/subscriptions\/[^/]+(?:\/resourceGroups\/[^/]+)?(?:\/providers\/Microsoft\.MachineLearningServices)?(?:\/workspaces\/[^/]+(?=\/))?/i.exec(path)?.[0];
  return before ? path.slice(before.length) || path : path;
}

/** The newest few, for a corner of another view. */
export function stream(count) {
  if (!rows.length) return h("p", { class: "soft" }, "None since the server started. What runs with --local answers itself; a program that is led here shows its requests: ", h("code", {}, "phi-azure emulator -- COMMAND"));
  return h("ol", { class: "stream" }, rows.slice(0, count).map((one) => h("li", { key: one.number, class: mood(one) },
    code(one), h("span", { class: "method" }, one.method), h("span", { class: "path", title: `${one.host}${one.path}` }, essence(one.path)), h("span", { class: "took" }, milliseconds(one.ms)))));
}
