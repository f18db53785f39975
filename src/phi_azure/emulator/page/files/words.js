// Numbers, times and states in words.

import { h } from "/page/dom.js";

const TONES = {
  Completed: "good", Succeeded: "good", Online: "good", Finished: "good",
  Running: "busy", Finalizing: "busy", Preparing: "busy", Starting: "busy", Creating: "busy", Updating: "busy",
  Provisioning: "busy", Deleting: "busy", CancelRequested: "busy",
  Failed: "bad", NotResponding: "bad",
};
const SAID = { NotStarted: "Queued", NotResponding: "Not responding", CancelRequested: "Cancelling" };
const OVER = new Set(["Completed", "Failed", "Canceled", "NotResponding", "Paused"]);

export const tone = (status) => TONES[status] ?? "quiet";
export const isOver = (status) => OVER.has(status);

/** A state: a mark whose shape tells it without colour, and Azure's word. */
export const chip = (status) => h("span", { class: `chip ${tone(status)}` }, SAID[status] ?? status);

/** Seconds: 8 s, 3 min 20 s, 2 h 5 min, 3 d 4 h. */
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return join(Math.floor(s / 60), "min", s % 60, "s");
  if (s < 86400) return join(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
  return join(Math.floor(s / 86400), "d", Math.floor((s % 86400) / 3600), "h");
}

const join = (large, unit, small, part) => (small ? `${large} ${unit} ${small} ${part}` : `${large} ${unit}`);

export function ago(then, now) {
  const passed = now - then;
  return passed < 5 ? "just now" : `${span(passed < 120 ? passed : passed - (passed % 60))} ago`;
}

/** How long something has run, or ran. */
export const took = (one, now) => (one.started ? span((one.ended ?? now) - one.started) : "");

/** Why a job failed, in its own words: the error of the step that failed, not that of the pipeline around it. */
export const cause = (job) => job.steps.find((step) => step.status === "Failed" && step.error)?.error ?? job.error;

export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });

export function number(value) {
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size < 1e-3 || size >= 1e7) return value.toExponential(2).replace("e+", "e").replace(/\.?0+e/, "e");
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(4)));
}

export const dollars = (usd) => (usd > 0 && usd < 0.01 ? "under $0.01" : `$${usd.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`);

export const milliseconds = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 10000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

export const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

/** What to do where there is nothing: a sentence, and commands. */
export const empty = (title, sentence, ...commands) =>
  h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, sentence), commands.map((one) => h("pre", {}, one)));
