
// Numbers of a run that goes on: asked for while somebody looks. The sections below are fetched
// again when there is something new in them, and never while a part of them is being read.
const EVERY_MS = 2000;
const AGAIN_MS = 15000;
const SECTIONS = ["questions", "curves", "replay", "recipe"];
const SVG = "http://www.w3.org/2000/svg";
const live = document.getElementById("live");
let fetchedAt = 0;

function make(name, text) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  return element;
}

function pair(name, value, note) {
  const both = make("div");
  const shown = make("dd", value);
  if (note) shown.append(make("small", note));
  both.append(make("dt", name), shown);
  return both;
}

function curve({ name, points }) {
  const good = points.filter(([, value]) => value !== null);
  const figure = make("figure");
  const values = good.map(([, value]) => value);
  const low = Math.min(...values), high = Math.max(...values);
  const from = good.length ? good[0][0] : 0, to = good.length ? good[good.length - 1][0] : 1;
  const place = ([step, value]) => [
    (300 * (step - from)) / (to - from || 1),
    95 - (90 * (value - low)) / (high - low || 1),
  ].map((part) => part.toFixed(1)).join(",");
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 300 100");
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("role", "img");
  const last = good.length ? good[good.length - 1][1].toPrecision(3) : "none yet";
  const words = `last ${last}, range ${low.toPrecision(3)} to ${high.toPrecision(3)}`;
  drawing.setAttribute("aria-label", `${name}: ${words}`);
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", good.map(place).join(" "));
  drawing.append(line);
  figure.append(make("figcaption", `${name}: ${words}`), drawing);
  return figure;
}

function show(numbers) {
  live.querySelector(".state").textContent = numbers.state;
  const bar = live.querySelector("progress");
  if (numbers.planned) [bar.max, bar.value] = [numbers.planned, numbers.step];
  live.querySelector("dl").replaceChildren(
    ...numbers.latest.map(({ name, value }) => pair(name, value)));
  live.querySelector(".small").replaceChildren(...numbers.curves.map(curve));
  document.querySelector(".verdict").textContent = numbers.verdict;
  const tiles = document.querySelector(".tiles");
  let more = document.querySelector("#verdict .details");
  if (!more) {
    more = make("ul");
    more.className = "quiet details";
    tiles.after(more);
  }
  more.replaceChildren(...numbers.details.map((sentence) => make("li", sentence)));
  tiles.replaceChildren(
    ...numbers.tiles.map(([name, value, note, alarm]) => {
      const tile = pair(name, value, note);
      tile.className = alarm ? "tile alarm" : "tile";
      return tile;
    }));
}

async function redraw() {
  const answer = await fetch(location.pathname, { cache: "no-store" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  if (!fresh || fresh.dataset.drawn === live.dataset.drawn) return;
  const open = new Set([...document.querySelectorAll("details[open] > summary")]
    .map((each) => each.textContent));
  for (const id of SECTIONS) document.getElementById(id).replaceWith(page.getElementById(id));
  for (const each of document.querySelectorAll("details > summary"))
    each.parentElement.open = open.has(each.textContent);
  live.dataset.drawn = fresh.dataset.drawn;
  live.querySelector(".told").textContent = "There is something new in the sections below.";
}

function reading() {
  const focus = document.activeElement;
  return SECTIONS.some((id) => document.getElementById(id).contains(focus));
}

async function ask() {
  if (!document.hidden) {
    try {
      const answer = await fetch("live.json", { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const numbers = await answer.json();
      show(numbers);
      if (!numbers.going) return void location.reload();
      const due = Date.now() - fetchedAt > AGAIN_MS;
      if (numbers.drawn !== live.dataset.drawn && due && !reading()) {
        fetchedAt = Date.now();
        await redraw();
      }
    } catch (error) {
      live.querySelector(".state").textContent = `no answer from wellposed serve (${error.message})`;
    }
  }
  setTimeout(ask, EVERY_MS);
}
ask();
