"use strict";
// Draws /status.json and asks again every two seconds.  Text goes into the
// page as text, never as markup.

const EVERY_MS = 2000;
const MEMBERS_DRAWN = 8;
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

function make(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

function draw(name, attributes, ...children) {
  const e = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

// --- Numbers as people read them ---------------------------------------------

function short(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return (value / 1e6).toFixed(1) + " M";
  if (size >= 1e4) return (value / 1e3).toFixed(0) + " k";
  if (size >= 100 || Number.isInteger(value)) return value.toFixed(0);
  return value.toFixed(size >= 10 ? 1 : 2);
}

function duration(seconds) {
  if (seconds === null) return "–";
  if (seconds === 0) return "0";
  if (seconds < 0.001) return (seconds * 1e6).toFixed(0) + " µs";
  if (seconds < 1) return (seconds * 1e3).toFixed(seconds < 0.01 ? 1 : 0) + " ms";
  if (seconds < 120) return seconds.toFixed(1) + " s";
  if (seconds < 7200) return (seconds / 60).toFixed(0) + " min";
  if (seconds < 172800) return (seconds / 3600).toFixed(0) + " hours";
  return (seconds / 86400).toFixed(0) + " days";
}

function figure(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "flag") return value ? "yes" : "no";
  if (unit === "s") return duration(value);
  if (unit === "share") return (value * 100).toFixed(1) + " %";
  if (unit === "bytes") return (value / 1048576).toFixed(1) + " MiB";
  return short(value) + (unit === "/s" ? " /s" : unit ? " " + unit : "");
}

// --- Words -------------------------------------------------------------------

function showProblems(status) {
  const worst = [...status.problems].sort((a, b) => (b.severity === "error") - (a.severity === "error"));
  const list = worst.map((p) =>
    make("p", { class: "problem " + p.severity }, make("strong", {}, p.text), make("span", {}, p.remedy)));
  if (list.length === 0)
    list.push(make("p", { class: "problem fine" }, make("strong", {}, "Nothing is wrong."),
      make("span", {}, "This " + status.tier + " answers.")));
  byId("problems").replaceChildren(...list);
}

function showHead(status) {
  document.title = (status.state === "ok" ? "" : "(!) ") + status.tier + " " + status.name + " · userli-bridge";
  byId("tier").textContent = status.tier;
  byId("name").textContent = status.name;
  byId("state").textContent = status.state;
  byId("state").className = "pill " + status.state;
  byId("build").textContent = "userli-bridge " + status.version + " (" + status.revision + "), up for " +
    duration(status.time - status.started);
  byId("updated").textContent = "as of " + new Date(status.time * 1000).toLocaleTimeString();
}

// --- The picture -------------------------------------------------------------

const HEALTH = { up: "up", suspect: "slow", draining: "slow", connecting: "down", ejected: "down", gone: "slow" };
const TROUBLE = { down: 0, slow: 1, up: 2 };

// What stands where: columns of boxes, and an arrow into each but the first.
function columns(status) {
  const rates = status.rates;
  const asked = rates.success + rates.notfound + rates.error;
  const self = { title: "this " + status.tier, lines: ["half within " + duration(rates.p50), "99 % within " + duration(rates.p99)],
    rate: asked, health: status.state === "failing" ? "down" : status.state === "degraded" ? "slow" : "up" };
  if (status.tier === "frontend") {
    const members = [...status.members].sort((a, b) =>
      TROUBLE[HEALTH[a.state]] - TROUBLE[HEALTH[b.state]] || b.rate - a.rate);
    const boxes = members.slice(0, MEMBERS_DRAWN).map((m) => ({ title: m.url.replace(/^.*?:\/\//, ""),
      lines: [m.state + ", " + duration(m.latency)], rate: m.rate, health: HEALTH[m.state] }));
    if (members.length > MEMBERS_DRAWN)
      boxes.push({ title: members.length - MEMBERS_DRAWN + " more", lines: ["in the table below"], health: "up",
        rate: members.slice(MEMBERS_DRAWN).reduce((sum, m) => sum + m.rate, 0) });
    if (boxes.length === 0) boxes.push({ title: "no backend", lines: ["none is known"], rate: 0, health: "down" });
    return [[{ title: "Postfix", lines: [short(status.flow.connections) + " connections"] }], [self], boxes,
      [{ title: "userli", lines: ["seen by the backends"], unseen: true }]];
  }
  const sent = status.sections.flatMap((s) => s.items).find((i) => i.name === "requests");
  return [[{ title: "frontends", lines: [short(status.flow.frontends) + " connected"] }], [self],
    [{ title: "userli", lines: [status.userli.ready ? "answers, takes the token" : "does not answer as it should"],
      rate: sent ? sent.value : null, health: status.userli.ready ? "up" : "down" }]];
}

const BOX_W = 168, BOX_H = 62, GAP = 14, ASIDE = 62;

function box(item, x, y) {
  const group = draw("g", {}, draw("rect", { x, y, width: BOX_W, height: BOX_H, rx: 9, class: "box " + (item.health || "") }),
    draw("text", { x: x + 12, y: y + 21 }, item.title.length > 23 ? item.title.slice(0, 22) + "…" : item.title));
  item.lines.forEach((line, i) => group.append(draw("text", { x: x + 12, y: y + 38 + 15 * i, class: "small" }, line)));
  group.append(draw("title", {}, item.title));
  return group;
}

// A curve from box to box.  On a phone, where the boxes of a column stand one
// below the other, a line along their side: left into them, right out of them.
function way(from, to, upright, aside) {
  const middle = BOX_H / 2;
  if (aside) {
    const x1 = from.x + (aside < 0 ? 0 : BOX_W), x2 = to.x + (aside < 0 ? -5 : BOX_W + 5);
    return { d: `M${x1} ${from.y + middle}H${x1 + aside * ASIDE}V${to.y + middle}H${x2}`, x: x2 - 6, y: to.y + middle - 7, end: "end" };
  }
  const [x1, y1, x2, y2] = upright ? [from.x + BOX_W / 2, from.y + BOX_H, to.x + BOX_W / 2, to.y - 5]
    : [from.x + BOX_W, from.y + middle, to.x - 5, to.y + middle];
  const d = upright ? `M${x1} ${y1}L${x2} ${y2}` : `M${x1} ${y1}C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`;
  return upright ? { d, x: x2 + 8, y: y2 - 8, end: "start" } : { d, x: x2 - 10, y: y2 > y1 + 1 ? y2 + 17 : y2 - 8, end: "end" };
}

function arrow(from, to, item, upright, aside) {
  const { d, x, y, end } = way(from, to, upright, aside);
  const kind = item.unseen ? "unseen" : item.health === "down" ? "down" : item.rate > 0.005 ? "" : "idle";
  const group = draw("g", {}, draw("path", { d, class: "arrow " + kind, "marker-end": "url(#tip)" }));
  if (item.rate !== undefined && item.rate !== null)
    group.append(draw("text", { x, y, class: "rate", "text-anchor": end }, short(item.rate) + " /s"));
  return group;
}

// Side by side where there is room; on a phone one below the other.
function place(cols, width) {
  const upright = width < cols.length * (BOX_W + 46);
  const most = Math.max(...cols.map((c) => c.length));
  let y = 0;
  const places = cols.map((col, i) => {
    if (!upright) {
      const step = (width - BOX_W) / (cols.length - 1);
      const top = (most - col.length) * (BOX_H + GAP) / 2;
      return col.map((_, k) => ({ x: i * step, y: top + k * (BOX_H + GAP) }));
    }
    const here = col.map((_, k) => ({ x: (width - BOX_W) / 2, y: y + k * (BOX_H + GAP) }));
    y = here[here.length - 1].y + BOX_H + 44;
    return here;
  });
  return { upright, places, height: upright ? y - 44 : most * (BOX_H + GAP) - GAP };
}

function showPicture(status) {
  const cols = columns(status);
  const width = byId("picture").clientWidth;
  const { upright, places, height } = place(cols, width);
  const tip = draw("marker", { id: "tip", viewBox: "0 0 8 8", refX: 5, refY: 4, markerWidth: 7, markerHeight: 7,
    orient: "auto-start-reverse" }, draw("path", { d: "M0 0L8 4L0 8z", fill: "context-stroke" }));
  const svg = draw("svg", { viewBox: `-2 -2 ${width + 4} ${height + 4}`, height: height + 4, role: "img",
    "aria-label": "Requests flow from left to right; rates in lookups a second" }, draw("defs", {}, tip));
  const labels = draw("g", {});
  for (let i = 1; i < cols.length; i++)
    for (let k = 0; k < cols[i].length; k++)
      for (let from = 0; from < cols[i - 1].length; from++) {
        const aside = !upright ? 0 : cols[i].length > 1 ? -1 : cols[i - 1].length > 1 ? 1 : 0;
        const a = arrow(places[i - 1][from], places[i][k], cols[i][k], upright, aside);
        svg.append(a);
        if (a.lastChild.nodeName === "text") labels.append(a.lastChild);
      }
  cols.forEach((col, i) => col.forEach((item, k) => svg.append(box(item, places[i][k].x, places[i][k].y))));
  svg.append(labels);
  byId("picture").replaceChildren(svg);
}

// --- Plots -------------------------------------------------------------------

const LEFT = 46, BOTTOM = 20;

function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= value * 1.0001) || 10 * power;
}

// The frame of a plot and the functions from sample and value to its place.
function frame(element, top, count, show) {
  const width = element.clientWidth, height = element.clientHeight;
  const samples = 300;
  const x = (i) => LEFT + (width - LEFT) * (samples - count + i + 1) / samples;
  const y = (value) => (height - BOTTOM) * (1 - value / top) + 4;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img" });
  for (const part of [0, 0.5, 1]) {
    svg.append(draw("path", { d: `M${LEFT} ${y(top * part)}H${width}`, class: "rule" }),
      draw("text", { x: LEFT - 6, y: y(top * part) + 4, "text-anchor": "end" }, show(top * part)));
  }
  for (const minutes of [10, 5, 0])
    svg.append(draw("text", { x: LEFT + (width - LEFT) * (1 - minutes / 10), y: height - 1,
      "text-anchor": minutes === 10 ? "start" : minutes === 0 ? "end" : "middle" }, minutes ? `${minutes} min ago` : "now"));
  return { svg, x, y };
}

function legend(id, entries) {
  byId(id).replaceChildren(...entries.map(([kind, label, value]) =>
    make("span", {}, make("i", { class: kind }), label + " ", make("b", {}, value))));
}

function showOutcomes(status) {
  const h = status.history, element = byId("outcomes");
  const sums = h.success.map((v, i) => [v, v + h.notfound[i], v + h.notfound[i] + h.error[i]]);
  const top = ceiling(Math.max(0, ...sums.map((s) => s[2])));
  const { svg, x, y } = frame(element, top, sums.length, (v) => short(v));
  ["success", "notfound", "error-series"].forEach((kind, k) => {
    if (sums.length < 2) return;
    const upper = sums.map((s, i) => `${x(i).toFixed(1)} ${y(s[k]).toFixed(1)}`);
    const lower = sums.map((s, i) => `${x(i).toFixed(1)} ${y(k ? s[k - 1] : 0).toFixed(1)}`).reverse();
    svg.append(draw("path", { d: "M" + upper.concat(lower).join("L") + "z", class: "area " + kind }));
  });
  element.replaceChildren(svg);
  const r = status.rates;
  legend("outcome-legend", [["success", "found", short(r.success)], ["notfound", "not found", short(r.notfound)],
    ["error-series", "failed", short(r.error)]]);
}

function showLatency(status) {
  const h = status.history, element = byId("latency");
  const top = ceiling(Math.max(0.001, ...h.p99.filter((v) => v !== null)));
  const { svg, x, y } = frame(element, top, h.p99.length, duration);
  for (const kind of ["p50", "p99"]) {
    let path = "", pen = "M";
    h[kind].forEach((v, i) => {
      if (v === null) { pen = "M"; return; }
      // A lone sample shows as a dot.
      path += `${pen}${x(i).toFixed(1)} ${y(v).toFixed(1)}` + (pen === "M" ? "h1" : "");
      pen = "L";
    });
    svg.append(draw("path", { d: path || "M0 0", class: "curve " + kind }));
  }
  element.replaceChildren(svg);
  legend("latency-legend", [["p50", "half within", duration(status.rates.p50)], ["p99", "99 % within", duration(status.rates.p99)]]);
}

// --- Tables ------------------------------------------------------------------

function showMembers(status) {
  byId("members-card").hidden = !status.members;
  if (!status.members) return;
  const head = ["backend", "state", "lookups", "failed", "in flight", "mean", "weight"];
  const weights = status.members.reduce((sum, m) => sum + m.weight, 0);
  const rows = status.members.map((m) => make("tr", {}, make("td", {}, m.url), make("td", { class: HEALTH[m.state] }, m.state),
    ...[short(m.rate) + " /s", short(m.failure_rate) + " /s", short(m.in_flight), duration(m.latency),
      figure(m.weight / weights, "share")].map((text) => make("td", {}, text))));
  byId("members").replaceChildren(make("thead", {}, make("tr", {}, ...head.map((t) => make("th", {}, t)))),
    make("tbody", {}, ...rows));
}

function showSections(status) {
  const cards = status.sections.map((section) => {
    const items = section.items.filter((i) => i.value !== null || i.unit !== "s"); // no certificate, say
    return items.length && make("section", { class: "card" }, make("h2", {}, section.title),
      make("dl", {}, ...items.flatMap((i) => [make("dt", {}, i.label), make("dd", {}, figure(i.value, i.unit))])));
  });
  byId("sections").replaceChildren(...cards.filter((card) => card));
}

// --- Again and again ---------------------------------------------------------

let last = null;

function show(status) {
  last = status;
  document.body.classList.remove("lost");
  for (const part of [showHead, showProblems, showPicture, showOutcomes, showLatency, showMembers, showSections]) part(status);
}

function showLost(why) {
  document.body.classList.add("lost");
  byId("state").textContent = "no answer";
  byId("state").className = "pill failing";
  byId("problems").replaceChildren(make("p", { class: "problem error" },
    make("strong", {}, "This daemon does not answer any more (" + why + ")."),
    make("span", {}, last ? "What stands below is from " + new Date(last.time * 1000).toLocaleTimeString() + "." : "Is it running?")));
}

async function refresh() {
  try {
    const reply = await fetch("/status.json", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!reply.ok) throw new Error("status " + reply.status);
    show(await reply.json());
  } catch (error) {
    showLost(error.message);
  }
  setTimeout(refresh, EVERY_MS);
}

addEventListener("resize", () => { if (last) show(last); });
refresh();
