// One job: what state it is in, its steps, curves, log and settings.

import { h } from "/page/dom.js";
import { ago, cause, chip, dollars, empty, isOver, span, tone, took } from "/page/words.js";
import { chart } from "/page/chart.js";
import { Log } from "/page/log.js";

const FIRST = ["loss", "eval_loss", "train_loss", "learning_rate", "grad_norm"]; // what people look for, in this order

let name = null; // whose data these are
let job = null;
let curves = [];
let looks = {}; // the point that is looked at, by curve
let chosen = null; // the step whose log was asked for
let log = null;
let gone = false;

export const title = (_, desk) => job?.title ?? desk.place().parts[1] ?? "Job";

export async function look(desk) {
  const { parts, query } = desk.place();
  const address = `${encodeURIComponent(parts[1] ?? "")}`;
  const where = query.get("wsid") ? `&wsid=${encodeURIComponent(query.get("wsid"))}` : "";
  if (name !== address + where) [name, job, curves, looks, chosen, log, gone] = [address + where, null, [], {}, null, null, false];
  const asked = name;
  const found = await desk.get(`/page/data/runs/${address}?points=${job ? job.points : -1}${where}`);
  if (asked !== name) return; // another job was opened meanwhile
  gone = found === null;
  if (gone) return;
  job = found;
  curves = job.curves ?? curves;
  const step = chosen ?? telling(job);
  if (log?.step !== step) log = new Log(step);
  await log.read((from) => desk.get(`/page/data/logs/${address}?step=${encodeURIComponent(step)}&from=${from}${where}`));
}

/** The step whose log tells most: the one that failed, or runs, or trained. */
function telling(job) {
  const of = (status) => job.steps.find((step) => step.status === status);
  const trained = job.steps.find((step) => step.title.endsWith("finetune") && step.started !== null);
  return (of("Failed") ?? of("Running") ?? trained ?? job.steps[0])?.id ?? "";
}

export function show(_, desk) {
  if (gone) return [h("div", { key: "gone" }, empty("No such job", "This emulator's state holds no job of this name. It may lie in another folder:", "phi-azure emulator --state FOLDER"), h("p", {}, h("a", { href: "/" }, "All jobs")))];
  if (!job) return [h("p", { class: "soft", key: "wait" }, "…")];
  return [h("article", { key: `run ${name}` }, head(job), job.error && reason(job), steps(job, desk), pictures(job, desk), text(job, desk), settings(job))];
}

function head(job) {
  const now = job.now;
  const fact = (word, value) => value && h("div", {}, h("dt", {}, word), h("dd", {}, value));
  return h("header", { class: "job-head" },
    h("p", { class: "back" }, h("a", { href: "/" }, "← Jobs")),
    h("h1", {}, job.title),
    h("p", { class: "state" }, chip(job.status), " ", h("span", { class: "soft" }, state(job, now))),
    h("dl", { class: "facts-list" },
      job.title !== job.name && fact("Job", h("code", {}, job.name)), fact("Base model", job.base),
      fact("Model", job.model && `${job.model.name}:${job.model.version}`),
      fact("Experiment", job.experiment), fact("Kind", job.kind),
      fact("In Azure", job.usd > 0 && `${dollars(job.usd)} for its machines`)));
}

function state(job, now) {
  if (job.ended && job.started) return `after ${span(job.ended - job.started)}, ${ago(job.ended, now)}`;
  if (job.ended) return `${ago(job.ended, now)}, before it started`;
  return job.started ? `for ${span(now - job.started)}` : `for ${span(now - job.created)}`;
}

const reason = (job) => h("section", { class: "reason-box", "aria-label": "Error" }, h("pre", {}, cause(job)));

function steps(job, desk) {
  if (job.steps.length < 2) return null;
  return h("section", { "aria-labelledby": "steps" }, h("h2", { id: "steps" }, "Steps"),
    h("ol", { class: "track" }, job.steps.map((step) => h("li", { key: step.id, class: tone(step.status) },
      h("button", { type: "button", "aria-pressed": String(log?.step === step.id), onclick: () => choose(step.id, desk) },
        h("b", {}, short(step.title)), h("span", {}, step.started ? took(step, job.now) : step.status === "Canceled" ? "not run" : "waits"), h("span", { class: "sr" }, ` ${step.status}; show its log`))))));
}

const short = (title) => title.replace(/^(chat_completion|ft_nlp(_common)?)_/, "").replace("datapre", "data pre").replaceAll("_", " ");

function choose(step, desk) {
  chosen = step;
  log = new Log(step);
  desk.render();
  look(desk).then(desk.render, () => {}); // the next look says it, if nobody answers
}

function pictures(job, desk) {
  const some = curves.filter((curve) => curve.points.length > 1).sort((a, b) => rank(a) - rank(b) || a.key.localeCompare(b.key));
  const single = curves.filter((curve) => curve.points.length === 1);
  if (!curves.length) return isOver(job.status) ? null : h("section", { class: "hint" }, h("p", { class: "soft" }, "Curves appear with the first numbers that the training writes."));
  return h("section", { "aria-labelledby": "curves" }, h("h2", { id: "curves" }, "Curves"),
    h("div", { class: "charts" }, some.map((curve) => chart(curve, looks[curve.key], (key, at) => { looks[key] = at; desk.render(); }))),
    single.length > 0 && h("dl", { class: "facts-list numbers" }, single.map((curve) => h("div", { key: curve.key }, h("dt", {}, curve.key), h("dd", {}, String(Number(curve.points[0][1].toPrecision(5))))))));
}

const rank = (curve) => (FIRST.indexOf(curve.key) + 1 || 99);

function text(job, desk) {
  const step = job.steps.find((one) => one.id === log?.step);
  return h("section", { "aria-labelledby": "log" },
    h("div", { class: "log-head" }, h("h2", { id: "log" }, "Log", step && job.steps.length > 1 && h("span", { class: "soft" }, ` of ${short(step.title)}`)),
      log && log.skipped > 0 && h("span", { class: "soft" }, `the first ${log.skipped.toLocaleString("en")} bytes are left out`),
      h("button", { type: "button", class: "follow", "aria-pressed": String(Boolean(log?.following)), onclick: () => { log.follow(); desk.render(); } }, "Follow")),
    log && h("div", { class: "log", kept: true, key: `log ${log.step}`, tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Log", onscroll: (event) => { if (log.scrolled(event.target)) desk.render(); } }),
    log && afterwards(log));
}

function afterwards(log) {
  queueMicrotask(() => log.into(document.querySelector(`[data-key="${CSS.escape(`log ${log.step}`)}"]`)));
  return null;
}

function settings(job) {
  const rows = (given) => Object.entries(given).sort(([a], [b]) => a.localeCompare(b)).map(([key, value]) => h("tr", { key }, h("th", { scope: "row" }, key), h("td", {}, value)));
  const table = (word, given) => Object.keys(given).length > 0 && h("details", { key: word }, h("summary", {}, word, " ", h("span", { class: "count" }, String(Object.keys(given).length))), h("table", { class: "pairs" }, h("tbody", {}, rows(given))));
  return h("section", { "aria-label": "Settings" }, table("Settings", job.params), table("Tags", job.tags));
}
