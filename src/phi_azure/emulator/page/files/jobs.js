// All jobs, newest first, with the requests as they come beside them.

import { h } from "/page/dom.js";
import { ago, cause, chip, empty, isOver, number, plural, span, tone, took } from "/page/words.js";
import { spark } from "/page/chart.js";
import * as requests from "/page/requests.js";

export const title = () => "Jobs";
export const look = requests.look;

export function show(seen) {
  const several = new Set(seen.jobs.map((job) => job.wsid)).size > 1;
  return [h("div", { class: "desk", key: "jobs" },
    h("section", { "aria-labelledby": "jobs" }, h("h1", { id: "jobs" }, "Jobs"),
      seen.jobs.length ? h("ul", { class: "cards" }, seen.jobs.map((job) => line(job, seen.now, several))) : nothing,
      seen.job_count > seen.jobs.length && h("p", { class: "soft" }, `The newest ${seen.jobs.length} of ${seen.job_count.toLocaleString("en")} are shown.`)),
    h("section", { class: "aside", "aria-labelledby": "live" }, h("h2", { id: "live" }, h("a", { href: "/requests" }, "Requests")), requests.stream(16)))];
}

const nothing = empty("No jobs yet", "Send one to this emulator, and watch it here:",
  "phi-azure demo --route serverless", "phi-azure init job.yaml --example headlines\nphi-azure submit job.yaml --local");

/** The address of a job's page; the workspace is named where there are several. */
export const address = (job, several) => `/runs/${encodeURIComponent(job.name)}${several ? `?wsid=${encodeURIComponent(job.wsid)}` : ""}`;

function line(job, now, several) {
  const last = job.spark.at(-1);
  return h("li", { key: job.wsid + job.name }, h("a", { class: "card job", href: address(job, several) },
    h("span", { class: "head" }, chip(job.status), h("b", { class: "name" }, job.title)),
    h("span", { class: "facts" }, facts(job, several)),
    h("span", { class: "figure" }, spark(job.spark), h("span", { class: "soft" }, last === undefined ? "" : `loss ${number(last)}`)),
    h("span", { class: "time" }, h("b", {}, took(job, now) || (isOver(job.status) ? "" : `queued ${span(now - job.created)}`)), h("span", { class: "soft" }, ago(job.created, now))),
    job.steps.length > 1 && steps(job),
    job.error && h("span", { class: "reason" }, cause(job))));
}

function facts(job, several) {
  const made = job.model ? ` → ${job.model.name}:${job.model.version}` : "";
  return [job.base ? `${job.base}${made}` : job.kind, job.title !== job.name && ` · ${job.name}`, several && ` · ${job.workspace}`];
}

const steps = (job) => h("span", { class: "steps", role: "img", "aria-label": `${job.steps.filter((step) => step.status === "Completed").length} of ${plural(job.steps.length, "step")} done` },
  job.steps.map((step) => h("span", { class: tone(step.status), title: `${step.title}: ${step.status}` })));
