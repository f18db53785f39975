// The page of the playground. Whatever comes from a model or a file is set as text, never as markup.

const at = (id) => document.getElementById(id);
const [prompt, system, temperature, tokens] = ["prompt", "system", "temperature", "tokens"].map(at);
let sides = [];
let touched = false; // whether somebody has typed already
let asking = null; // the AbortController of the round that is on its way

function make(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function told(seconds) {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

function notice(text) {
  at("notice").textContent = text;
  at("notice").hidden = !text;
}

async function call(path, method = "GET", body = undefined, signal = undefined) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal });
  if (!response.ok) throw new Error((await response.text()) || response.statusText);
  return response;
}

async function guarded(work) {
  try {
    return await work();
  } catch (error) {
    const gone = error instanceof TypeError; // what fetch throws when nobody listens
    notice(gone ? "The playground has ended. Start it again with phi-azure playground." : error.message);
    return undefined;
  }
}

// Questions and answers

function settings() {
  return {
    prompt: prompt.value.trim(),
    system: system.value.trim(),
    temperature: Number(temperature.value),
    max_tokens: Number(tokens.value),
  };
}

function take(kept) {
  prompt.value = kept.prompt;
  system.value = kept.system ?? "";
  if (kept.temperature !== undefined) temperature.value = kept.temperature;
  if (kept.max_tokens !== undefined) tokens.value = kept.max_tokens;
  refresh();
}

function refresh() {
  at("warmth").textContent = Number(temperature.value).toFixed(1);
  at("send").disabled = !prompt.value.trim() || !tokens.validity.valid;
}

async function send(event) {
  event?.preventDefault();
  await ready;
  const asked = settings();
  if (asking || !sides.length || !asked.prompt || !tokens.validity.valid) return;
  notice("");
  asking = new AbortController();
  at("send").hidden = true;
  at("stop").hidden = false;
  prompt.value = "";
  const round = begin(asked);
  guarded(async () => show(await (await call("prompts", "POST", asked)).json()));
  await Promise.all(sides.map((side, number) => answer(number, asked, round.cards[number], asking.signal)));
  asking = null;
  at("send").hidden = false;
  at("stop").hidden = true;
  refresh();
}

function begin(asked) {
  const round = make("article", "round");
  round.append(make("p", "question", asked.prompt));
  const about = [asked.system && `System: ${asked.system}`, asked.temperature > 0 && `Temperature ${asked.temperature}`];
  if (about.some(Boolean)) round.append(make("p", "asked small", about.filter(Boolean).join(" · ")));
  const answers = make("div", "answers");
  const cards = sides.map(card);
  answers.append(...cards.map((one) => one.box));
  round.append(answers);
  at("welcome").hidden = true;
  at("rounds").append(round);
  round.scrollIntoView({ block: "start" });
  return { round, cards };
}

function card(side) {
  const box = make("section", "answer streaming");
  const title = make("h3", "", side.name);
  const about = make("span", "", side.about);
  title.append(about);
  const text = make("div", "text");
  text.setAttribute("aria-live", "polite");
  const figures = make("dl", "figures");
  box.append(title, text, figures);
  return { box, about, text, figures };
}

async function answer(side, asked, card, signal) {
  const { box, text, figures } = card;
  const began = performance.now();
  const clock = setInterval(() => fill(figures, [[told((performance.now() - began) / 1000), "so far"]]), 100);
  try {
    const response = await call("ask", "POST", { ...asked, side }, signal);
    let over = false;
    for await (const event of lines(response.body)) {
      if (event.text) text.append(event.text);
      if (event.error) trouble(box, event.error);
      if (event.done) measured(card, event.done, clock);
      over ||= Boolean(event.error || event.done);
    }
    if (!over) trouble(box, "The answer broke off.");
  } catch (error) {
    if (error.name === "AbortError") fill(figures, [[told((performance.now() - began) / 1000), "until stopped"]]);
    else trouble(box, error instanceof TypeError ? "The playground has ended." : error.message);
  } finally {
    clearInterval(clock);
    box.classList.remove("streaming");
  }
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const found = (rest + value).split("\n");
    rest = found.pop();
    for (const line of found) yield JSON.parse(line);
  }
}

function measured({ about, figures }, done, clock) {
  clearInterval(clock);
  if (done.deployment && !about.textContent.includes(done.deployment)) about.append(` · ${done.deployment}`);
  const rows = [];
  if (done.first_s !== null) rows.push([told(done.first_s), "first words"]);
  rows.push([told(done.latency_s), "in all"]);
  if (done.completion_tokens !== null) {
    rows.push([String(done.completion_tokens), done.completion_tokens === 1 ? "token" : "tokens"]);
    if (done.latency_s > 0) rows.push([`${(done.completion_tokens / done.latency_s).toFixed(0)}/s`, ""]);
  }
  if (done.finish_reason === "length") rows.push(["cut", "at the most tokens"]);
  fill(figures, rows);
}

function fill(figures, rows) {
  figures.replaceChildren(
    ...rows.map(([value, name]) => {
      const pair = make("div");
      pair.append(make("dt", "", name), make("dd", "", value));
      return pair;
    }),
  );
}

function trouble(box, text) {
  box.querySelector(".figures").replaceChildren();
  box.querySelector(".text").after(make("p", "trouble", text));
}

// Prompts that are kept

function show({ prompts, problem }) {
  at("kept").replaceChildren(...prompts.map(entry));
  at("examples").replaceChildren(
    ...prompts.slice(0, 2).map((kept) => {
      const example = make("button", "", kept.prompt);
      example.type = "button";
      example.addEventListener("click", () => (take(kept), send()));
      return example;
    }),
  );
  if (problem) notice(problem);
}

function entry(kept) {
  const item = make("li");
  const choose = make("button", "take");
  choose.append(make("span", "", kept.prompt));
  choose.title = kept.system ? `System: ${kept.system}` : "";
  choose.addEventListener("click", () => {
    take(kept);
    drawer(false);
    prompt.focus();
  });
  const drop = make("button", "drop", "×");
  drop.setAttribute("aria-label", `Remove: ${kept.prompt}`);
  drop.addEventListener("click", () => guarded(async () => show(await (await call(`prompts/${kept.id}`, "DELETE")).json())));
  item.append(choose, drop);
  return item;
}

function drawer(open) {
  at("prompts").classList.toggle("open", open);
  at("show-prompts").setAttribute("aria-expanded", String(open));
}

// Beginning

async function start() {
  const about = await (await call("about")).json();
  sides = about.sides;
  const names = sides.map((side) => side.name).join(" and ");
  document.title = `${names} · playground`;
  at("title").textContent = names;
  at("where").textContent = about.where;
  at("invitation").textContent = sides.length > 1 ? "Ask both, and compare." : "Ask it.";
  at("file").textContent = `Kept in ${about.file}`;
  const kept = await (await call("prompts")).json();
  show(kept);
  if (kept.prompts.length && !touched) take({ ...kept.prompts[0], prompt: "" }); // its settings
  refresh();
}

at("composer").addEventListener("submit", send);
at("composer").addEventListener("input", () => {
  touched = true;
  refresh();
});
at("stop").addEventListener("click", () => asking?.abort());
at("show-prompts").addEventListener("click", () => drawer(!at("prompts").classList.contains("open")));
prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  drawer(false);
  asking?.abort();
});
const ready = guarded(start);
