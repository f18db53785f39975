// Curves, drawn as SVG.

import { h } from "/page/dom.js";
import { number } from "/page/words.js";

const WIDTH = 520, HEIGHT = 190, LEFT = 56, RIGHT = 12, TOP = 12, BOTTOM = 26;
const LOG_FROM = 20; // a curve that spans more than this factor is drawn on a logarithmic scale

/** A curve that is led to by pointer or arrow keys; `at` is the index of the point that is looked at. */
export function chart(curve, at, look) {
  const { key, points, total } = curve;
  const place = scale(points);
  const index = at === undefined ? points.length - 1 : Math.min(at, points.length - 1);
  const [step, value] = points[index];
  const label = `${key}: ${total} points, last ${number(points.at(-1)[1])} at step ${points.at(-1)[0]}`;
  return h("figure", { class: "chart", key },
    h("figcaption", {}, h("b", {}, key), h("span", {}, h("strong", {}, number(value)), ` step ${step.toLocaleString("en")}`)),
    h("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, tabindex: "0",
      onpointermove: (event) => look(key, nearest(event, points, place)),
      onpointerleave: () => look(key, undefined),
      onblur: () => look(key, undefined),
      onkeydown: (event) => turn(event, index, points.length, (next) => look(key, next)),
    },
    place.ticks.map((tick) => h("g", {},
      h("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: place.y(tick), y2: place.y(tick) }),
      h("text", { class: "tick", x: LEFT - 8, y: place.y(tick) + 4, "text-anchor": "end" }, number(tick)))),
    h("text", { class: "tick", x: LEFT, y: HEIGHT - 6 }, points[0][0].toLocaleString("en")),
    points.length > 1 && h("text", { class: "tick", x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, points.at(-1)[0].toLocaleString("en")),
    h("path", { class: "area", d: `${path(points, place)}V${HEIGHT - BOTTOM}H${place.x(points[0][0])}Z` }),
    h("path", { class: "line", d: path(points, place) }),
    at !== undefined && h("line", { class: "cursor", x1: place.x(step), x2: place.x(step), y1: TOP, y2: HEIGHT - BOTTOM }),
    h("circle", { class: "dot", cx: place.x(step), cy: place.y(value), r: 4 })));
}

/** A curve without words, for a line of a list. */
export function spark(values) {
  if (values.length < 2) return h("span", { class: "spark" });
  const points = values.map((value, index) => [index, value]);
  const bend = bent(values);
  const [low, high] = range(values).map(bend);
  const x = (index) => round(2 + (index / (values.length - 1)) * 94);
  const y = (value) => round(high > low ? 22 - ((bend(value) - low) / (high - low)) * 18 : 13);
  return h("svg", { class: "spark", viewBox: "0 0 100 26", role: "img", "aria-label": `loss from ${number(values[0])} to ${number(values.at(-1))}` },
    h("path", { class: "line", d: path(points, { x, y }) }),
    h("circle", { class: "dot", cx: x(values.length - 1), cy: y(values.at(-1)), r: 2.5 }));
}

function scale(points) {
  const values = points.map(([, value]) => value);
  const steps = points.map(([step]) => step);
  const [first, last] = range(steps);
  let [low, high] = range(values);
  const bend = bent(values);
  const logarithmic = bend === Math.log10;
  if (!(high > low)) [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
  const ticks = logarithmic ? powers(low, high) : rounds(low, high);
  const [bottom, top] = [bend(Math.min(low, ticks[0])), bend(Math.max(high, ticks.at(-1)))];
  const x = (step) => round(LEFT + (last > first ? (step - first) / (last - first) : 0.5) * (WIDTH - LEFT - RIGHT));
  const y = (value) => round(HEIGHT - BOTTOM - ((bend(value) - bottom) / (top - bottom)) * (HEIGHT - TOP - BOTTOM));
  return { x, y, ticks };
}

/** How values are laid on the scale: as they are, or by their logarithm. */
function bent(values) {
  const [low, high] = range(values);
  return low > 0 && high / low > LOG_FROM ? Math.log10 : (value) => value;
}

function rounds(low, high) {
  const rough = (high - low) / 3;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 2.5, 5, 10].map((one) => one * unit).find((one) => one >= rough);
  const first = Math.floor(low / size), last = Math.ceil(high / size);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * size).toPrecision(12)));
}

function powers(low, high) {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const by = Math.max(1, Math.ceil((last - first) / 4));
  return Array.from({ length: Math.floor((last - first) / by) + 1 }, (_, index) => 10 ** (first + index * by));
}

function nearest(event, points, place) {
  const box = event.currentTarget.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * WIDTH;
  let best = 0;
  points.forEach(([step], index) => {
    if (Math.abs(place.x(step) - x) < Math.abs(place.x(points[best][0]) - x)) best = index;
  });
  return best;
}

function turn(event, index, count, look) {
  const moves = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: count - 1 };
  if (!(event.key in moves)) return;
  event.preventDefault();
  look(Math.max(0, Math.min(count - 1, moves[event.key])));
}

const range = (values) => values.reduce(([low, high], one) => [Math.min(low, one), Math.max(high, one)], [Infinity, -Infinity]);
const round = (value) => Math.round(value * 10) / 10;
const path = (points, { x, y }) => points.map(([step, value], index) => `${index ? "L" : "M"}${x(step)} ${y(value)}`).join("");
