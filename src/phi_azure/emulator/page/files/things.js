// Models, endpoints and clusters.

import { h } from "/page/dom.js";
import { ago, chip, dollars, empty, plural } from "/page/words.js";

const when = (iso, now) => ago(Date.parse(iso) / 1000, now);

const card = (key, ...inside) => h("li", { key, class: "card thing" }, inside);

const rate = (one) => h("span", { class: "rate" }, h("b", {}, one.usd_per_hour === null ? "no price known" : one.usd_per_hour ? `${dollars(one.usd_per_hour)} an hour` : "nothing by the hour"), one.usd > 0 && h("span", { class: "soft" }, `${dollars(one.usd)} so far`));

const note = "What Azure would charge, at the list prices of its machines. Nothing is charged here.";

export const models = {
  title: () => "Models",
  show: (seen) => [h("section", { key: "models" }, h("h1", {}, "Models"),
    seen.models.length ? h("ul", { class: "cards" }, seen.models.map((model) => card(`${model.name}:${model.version}`,
      h("span", { class: "head" }, h("b", { class: "name" }, model.name), h("span", { class: "count" }, `version ${model.version}`)),
      h("span", { class: "facts" }, model.kind ?? "", model.job && [" · made by ", h("a", { href: `/runs/${encodeURIComponent(model.job)}` }, model.job)]),
      h("span", { class: "time" }, h("span", { class: "soft" }, when(model.created, seen.now))))))
      : empty("No models yet", "A serverless job registers its model itself; that of a pipeline is registered with:", "phi-azure register RUN --local"))],
};

export const endpoints = {
  title: () => "Endpoints",
  show: (seen) => [h("section", { key: "endpoints" }, h("h1", {}, "Endpoints"),
    seen.endpoints.length ? [h("p", { class: "soft" }, note), h("ul", { class: "cards" }, seen.endpoints.map((one) => card(`${one.kind} ${one.name}`,
      h("span", { class: "head" }, chip(one.status), h("b", { class: "name" }, one.name), h("span", { class: "soft" }, one.kind)),
      rate(one),
      h("span", { class: "facts" }, one.model ?? "", one.uri && h("code", { class: "uri" }, one.uri)),
      h("span", { class: "time" }, h("span", { class: "soft" }, when(one.created, seen.now))),
      one.deployments.length > 0 && h("ul", { class: "deployments" }, one.deployments.map((each) => h("li", { key: each.name },
        chip(each.status), h("b", {}, each.name), h("span", {}, each.model), h("span", { class: "soft" }, `${each.count} × ${each.size}`),
        h("span", { class: "share" }, h("span", { class: "bar", "--share": `${each.traffic}%` }), `${each.traffic}%`)))),
      one.kind === "managed" && !one.deployments.length && h("span", { class: "facts soft" }, "No deployment: it answers nobody, and costs nothing."))))]
      : empty("No endpoints", "An endpoint answers with a tuned model, and costs money in Azure until it is taken down:", "phi-azure deploy MODEL headlines --local", "phi-azure chat headlines \"Contoso recovers from a ransomware attack.\" --local"))],
};

export const clusters = {
  title: () => "Clusters",
  show: (seen) => [h("section", { key: "clusters" }, h("h1", {}, "Clusters"),
    seen.clusters.length ? [h("p", { class: "soft" }, note), h("ul", { class: "cards" }, seen.clusters.map((one) => card(one.name,
      h("span", { class: "head" }, chip(one.status), h("b", { class: "name" }, one.name)),
      rate(one),
      h("span", { class: "facts" }, `${one.size} · ${one.priority.toLowerCase()} · ${one.least} to ${plural(one.most, "machine")}`),
      h("span", { class: "facts" }, one.busy ? [`${plural(one.busy, "machine")} at work for `, one.jobs.map((job, index) => [index > 0 && ", ", h("a", { href: `/runs/${encodeURIComponent(job)}` }, job)])] : one.least ? `${plural(one.least, "machine")} idle, and paid` : "idle: scaled to nothing, and costs nothing"))))]
      : empty("No clusters", "A job of the route ManagedCompute makes the GPU cluster that it names. Nothing is paid while no job runs.", "phi-azure init job.yaml --route managed --example headlines\nphi-azure submit job.yaml --local"))],
};
