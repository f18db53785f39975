// The page: which view is open, what is asked how often, and what stands around the views.

import { h, patch } from "/page/dom.js";
import { dollars, plural } from "/page/words.js";
import * as jobs from "/page/jobs.js";
import * as run from "/page/run.js";
import * as things from "/page/things.js";
import * as requests from "/page/requests.js";

const PAUSE = 1000; // between two looks; one look is at most four small requests, and a page in the background takes none
const LOST_PAUSE = 3000;
const VIEWS = { "": jobs, runs: run, models: things.models, endpoints: things.endpoints, clusters: things.clusters, requests };
const TABS = [
  ["/", "Jobs", (seen) => seen.job_count], ["/models", "Models", (seen) => seen.models.length],
  ["/endpoints", "Endpoints", (seen) => seen.endpoints.length], ["/clusters", "Clusters", (seen) => seen.clusters.length],
  ["/requests", "Requests", (seen) => seen.requests],
];

let seen = null; // the last overview
let lost = false;
let timer = 0;
let looking = false;

/** What a view is given to work with. */
const desk = { get, render, place: () => ({ parts: location.pathname.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(location.search) }) };

/** Returns data; null where there is none (any more). */
async function get(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`${answer.status} from ${path}`);
  return answer.json();
}

const view = () => VIEWS[desk.place().parts[0] ?? ""] ?? jobs;

async function look() {
  clearTimeout(timer);
  if (looking || document.hidden) return;
  looking = true;
  try {
    const [overview] = await Promise.all([get("/page/data/overview"), view().look?.(desk)]);
    seen = overview;
    lost = false;
  } catch {
    lost = true;
  }
  looking = false;
  render();
  timer = setTimeout(look, lost ? LOST_PAUSE : PAUSE);
}

function render() {
  patch(document.getElementById("contact"), [lost && "The emulator does not answer: it has ended, or is starting. The page goes on by itself when `phi-azure emulator` runs again."]);
  document.body.classList.toggle("lost", lost);
  if (!seen) return;
  patch(document.getElementById("top"), top(seen));
  patch(document.getElementById("main"), view().show(seen, desk));
  patch(document.getElementById("foot"), foot(seen));
  document.title = `${view().title(seen, desk)} · phi_azure emulator`;
}

function top(seen) {
  const open = desk.place().parts[0] ?? "";
  return [
    h("a", { class: "brand", href: "/" }, h("img", { src: "/page/icon.svg", alt: "", width: "28", height: "28" }), h("b", {}, "phi_azure"), h("span", {}, "emulator")),
    h("nav", { "aria-label": "Views" }, TABS.map(([href, name, count]) => {
      const here = href === `/${open}` || (href === "/" && open === "runs");
      const bad = href === "/requests" && seen.unserved > 0;
      return h("a", { href, key: href, "aria-current": here && "page" }, name, " ", h("span", { class: "count" }, brief(count(seen))),
        bad && h("span", { class: "badge", title: `${plural(seen.unserved, "request")} that the emulator does not know` }, brief(seen.unserved)));
    })),
    h("a", { class: seen.usd_per_hour ? "meter on" : "meter", href: "/endpoints", title: "What Azure would charge by the hour for what is up now. Nothing is charged here." },
      h("b", {}, dollars(seen.usd_per_hour)), h("span", {}, " an hour in Azure")),
  ];
}

const brief = (count) => (count < 1000 ? String(count) : `${(count / 1000).toFixed(count < 10000 ? 1 : 0)}k`);

function foot(seen) {
  const who = seen.runner === "engine" ? "jobs really train on this machine" : "jobs are scripted: nothing is trained";
  return [h("span", {}, `Region ${seen.region}; ${who}.`), " ", h("span", {}, "State in ", h("code", {}, seen.state)), " ", h("span", {}, `${plural(seen.requests, "request")} since the server started.`)];
}

function go(href) {
  history.pushState(null, "", href);
  render();
  scrollTo(0, 0);
  document.getElementById("main").focus({ preventScroll: true });
  look();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/']");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
addEventListener("popstate", () => { render(); look(); });
document.addEventListener("visibilitychange", look);
look();
