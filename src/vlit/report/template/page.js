"use strict";
// Everything that comes from data is set as text, never as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = new Map(data.samples.map((s, n) => [s.i, n]));
const PAGE = 25;
const $ = (id) => document.getElementById(id);

function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") node.className = value;
    else if (key === "style") node.style.cssText = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}
const words = (name) => {
  const text = name.replace(/[_-]/g, " ").replace(/\b(llm|ocr|qa|vqa)\b/g, (w) => w.toUpperCase());
  return text.charAt(0).toUpperCase() + text.slice(1);
};
const ruleWords = (rule) => ({ cap: "cap on the task", keep: "not chosen" })[rule] || words(rule).toLowerCase();
const spoken = (text) => text.replaceAll("<image>", "").trim();
const number = (v) => v === null ? "–" : Number.isInteger(v) ? v.toLocaleString("en") : String(Number(v.toPrecision(3)));
const count = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
const photo = (n) => (n >= 0 ? data.photos[n] : null);

// ---- photos of the examples
for (const image of document.querySelectorAll("img[data-photo]")) {
  const found = photo(Number(image.dataset.photo));
  if (found && found.d) image.src = found.d;
}

// ---- the address holds the filter, so that a view can be passed on
function readAddress() { return new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : ""); }
function writeAddress(changes) {
  const now = readAddress();
  for (const [key, value] of Object.entries(changes)) value ? now.set(key, value) : now.delete(key);
  const text = now.toString();
  try { history.replaceState(null, "", text ? "#" + text : location.pathname + location.search); } catch { /* some browsers forbid it for files */ }
}

// ---- explorer
const haystacks = data.samples.map((s) =>
  [s.i, s.t, ...s.c.map((t) => t[1]), ...s.m.map((m) => m[0]), ...s.a.map((a) => a[0]), ...s.s.map((n) => data.scenes[n].id), s.w || ""]
    .join("\n").toLowerCase());
const valueOf = (s, indicator) => { const v = s.v.find((x) => x[0] === indicator); return v ? v[1] : null; };
let found = [];
let shown = 0;

function statusFits(s, status) {
  if (!status) return true;
  if (status === "kept") return s.k === true;
  if (status === "dropped") return s.k === false;
  return s.k === false && "rule:" + s.r === status;
}
function search() {
  const terms = $("q").value.toLowerCase().split(/\s+/).filter(Boolean);
  const task = $("task").value, status = $("status").value, sort = $("sort").value;
  found = data.samples.map((_, n) => n).filter((n) => {
    const s = data.samples[n];
    return (!task || s.t === task) && statusFits(s, status) && terms.every((t) => haystacks[n].includes(t)) &&
      (!sort || sort === "set" || valueOf(s, sort) !== null);
  });
  if (sort === "set") found.sort((a, b) => data.samples[a].n - data.samples[b].n);
  else if (sort) {
    const indicator = data.indicators.find((i) => i.name === sort);
    const sign = indicator && indicator.direction.startsWith("lower") ? -1 : 1;
    found.sort((a, b) => sign * (valueOf(data.samples[a], sort) - valueOf(data.samples[b], sort)) || a - b);
  }
  $("rows").replaceChildren();
  shown = 0;
  const filtered = found.length !== data.samples.length;
  const all = count(data.samples.length, "sample") + (data.total > data.samples.length ? " in this page" : "");
  $("tally").textContent = filtered ? `${found.length.toLocaleString("en")} of ${all}` : all;
  if (!found.length) $("rows").append(el("li", { class: "empty" }, "No sample fits. Try fewer words or another filter."));
  more(terms, sort);
}
function more(terms, sort) {
  for (const n of found.slice(shown, shown + PAGE)) $("rows").append(row(data.samples[n], terms, sort));
  shown = Math.min(found.length, shown + PAGE);
  const left = found.length - shown;
  $("more").hidden = left <= 0;
  $("more").textContent = left > PAGE ? `Show ${PAGE} more of ${left.toLocaleString("en")}` : `Show ${left} more`;
}
function marked(text, terms) {
  if (!terms.length) return [text];
  const parts = [];
  const lower = text.toLowerCase();
  for (let at = 0; at < text.length;) {
    let start = -1, length = 0;
    for (const t of terms) { const i = lower.indexOf(t, at); if (i >= 0 && (start < 0 || i < start)) { start = i; length = t.length; } }
    if (start < 0) { parts.push(text.slice(at)); break; }
    parts.push(text.slice(at, start), el("mark", {}, text.slice(start, start + length)));
    at = start + length;
  }
  return parts;
}
function status(s) {
  if (s.k === null) return null;
  return el("span", { class: "pill " + (s.k ? "kept" : "dropped"), title: s.w }, s.k ? "kept" : "dropped: " + ruleWords(s.r));
}
function row(s, terms, sort) {
  const picture = s.p.length ? photo(s.p[0][0]) : null;
  const first = s.c.find((t) => t[0] === "user") || s.c[0] || ["", ""];
  const answer = s.c.find((t) => t[0] === "assistant") || ["", ""];
  const said = (text) => { const t = spoken(text).slice(0, 400); return el("span", {}, ...marked(t, terms)); };
  return el("li", {}, el("button", { class: "row", type: "button", onclick: () => open(s.i) },
    el("span", { class: "thumb" }, picture && picture.d ? el("img", { src: picture.d, alt: "", loading: "lazy" }) : s.p.length ? "photo" : "text"),
    el("span", { class: "said" }, said(first[1]), said(answer[1])),
    el("span", { class: "tags" },
      sort && sort !== "set" ? el("b", {}, number(valueOf(s, sort))) : null,
      el("span", { class: "pill" }, words(s.t)), status(s))));
}

// ---- one sample
const SVG = "http://www.w3.org/2000/svg";
function rect(x, y, width, height, kind) {
  const node = document.createElementNS(SVG, "rect");
  for (const [key, value] of Object.entries({ x, y, width, height, class: kind })) node.setAttribute(key, value);
  return node;
}
// Boxes to draw are in per cent, with the place of their label; those of annotations are corners in pixels.
function picture(item, boxes) {
  const [n, w, h, name] = item;
  const stored = photo(n);
  if (!stored || !stored.d) return el("p", { class: "nophoto" }, `${name}: ${(stored && stored.x) || "not embedded in this page"}`);
  const frame = el("div", { class: "photo", style: `aspect-ratio:${Number(stored.w)}/${Number(stored.h)}` },
    el("img", { src: stored.d, alt: `Photo ${name}` + (boxes.length ? " with boxes: " + [...new Set(boxes.map((b) => b[0]))].join(", ") : "") }));
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  frame.append(svg);
  const colours = new Map();
  for (const [label, x, y, width, height, tag] of boxes) {
    if (!colours.has(label)) colours.set(label, colours.size % 6);
    const colour = "c" + colours.get(label);
    svg.append(rect(x, y, width, height, "halo"), rect(x, y, width, height, colour));
    if (tag) frame.append(el("span", { class: "tag " + colour, style: tag, "aria-hidden": "true" }, label));
  }
  frame.light = (which) => {
    svg.querySelectorAll(".on").forEach((node) => node.remove());
    for (const [x1, y1, x2, y2] of which) {
      const place = [100 * x1 / w, 100 * y1 / h, 100 * (x2 - x1) / w, 100 * (y2 - y1) / h];
      svg.append(rect(...place, "halo on"), rect(...place, "c0 on"));
    }
  };
  return frame;
}
function chat(turns) {
  return el("ol", { class: "chat" }, ...turns.map(([role, text]) =>
    el("li", { class: role }, el("span", { class: "hidden" }, role + ": "),
      ...Array(text.split("<image>").length - 1).fill(0).map(() => el("span", { class: "seen" }, "image")), spoken(text))));
}
function scores(s) {
  const body = el("tbody");
  for (const [name, value, reason, group] of s.v) {
    const note = [reason, group !== null && group !== undefined ? `group ${group}` : null].filter(Boolean).join(" · ");
    body.append(el("tr", {}, el("td", {}, words(name), note ? el("div", { class: "note" }, note) : null), el("td", { class: "num" }, el("b", {}, number(value)))));
  }
  return el("table", { class: "scores" }, body);
}
function annotations(s, frame) {
  const list = el("ul", { class: "notes" });
  for (const [id, kind, text, boxes] of s.a) {
    const light = () => frame && frame.light && frame.light(boxes);
    const dark = () => frame && frame.light && frame.light([]);
    const has = boxes.length > 0;
    list.append(el("li", { class: has ? "box" : null, tabindex: has ? "0" : null, onmouseenter: light, onmouseleave: dark, onfocus: light, onblur: dark },
      el("span", { class: "kind" }, kind), el("span", { class: "text" }, text), el("span", { class: "id" }, id)));
  }
  for (const id of s.l) list.append(el("li", {}, el("span", { class: "kind" }, "not found"), el("span", { class: "text" }, "no scene of this run has it"), el("span", { class: "id" }, id)));
  return list;
}
function attribution(scene) {
  const text = scene.attribution;
  if (!text) return null;
  return /^https?:\/\//.test(text) ? el("a", { href: text, rel: "noopener noreferrer" }, text) : text;
}
function origin(s) {
  const list = el("dl", { class: "origin" });
  const add = (key, ...value) => list.append(el("dt", {}, key), el("dd", {}, ...value));
  for (const n of s.s) {
    const scene = data.scenes[n];
    add("scene", el("span", { class: "id" }, scene.id));
    if (scene.source) add("annotated in", scene.source);
    if (scene.attribution) add("photo", attribution(scene));
    if (scene.licence) add("photo licence", scene.licence);
  }
  for (const [key, value] of Object.entries(s.o)) add(key, value);
  return list;
}
function open(id) {
  const s = data.samples[byId.get(id)];
  if (!s) {
    $("tally").textContent = `The sample ${id} is not in this page; \`vlit show ${id}\` tells all about it.`;
    $("explore").scrollIntoView();
    return;
  }
  const frames = s.p.map((item, n) => picture(item, n ? [] : s.m));
  const dialog = $("sample");
  dialog.replaceChildren(
    el("div", { class: "head" },
      el("h2", { id: "sample-title", tabindex: "-1", autofocus: true }, words(s.t)), status(s), el("span", { class: "id" }, s.i),
      el("button", { class: "button close", type: "button", onclick: () => dialog.close() }, "Close")),
    el("div", { class: "body" },
      el("div", { class: "pictures" }, ...frames),
      el("div", { class: "sources" },
        ...(s.a.length || s.l.length ? [el("h3", {}, "Made from these annotations"), annotations(s, frames[0])] : []),
        el("h3", {}, "Provenance"), origin(s)),
      el("div", { class: "said" },
        s.k === false ? el("h3", {}, "Why it was dropped") : null, s.k === false ? el("p", { class: "why" }, s.w) : null,
        el("h3", {}, "Dialogue"), chat(s.c),
        s.v.length ? el("h3", {}, "Scores") : null, s.v.length ? scores(s) : null)));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  writeAddress({ sample: id });
}
$("sample").addEventListener("close", () => writeAddress({ sample: "" }));
$("sample").addEventListener("click", (event) => { if (event.target === $("sample")) $("sample").close(); });
for (const button of document.querySelectorAll("[data-sample]")) button.addEventListener("click", () => open(button.dataset.sample));

// ---- quarantine
let group = "";
function filterQuarantine() {
  if (!$("qq")) return;
  const terms = $("qq").value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...$("qrows").rows];
  let fit = 0;
  for (const r of rows) {
    const fits = (!group || r.dataset.group === group) && terms.every((t) => r.textContent.toLowerCase().includes(t));
    fit += fits;
    r.hidden = !fits || fit > 60;
  }
  $("qtally").textContent = fit > 60 ? `the first 60 of ${count(fit, "row")}` : count(fit, "row");
  $("all-groups").hidden = !group;
}
if ($("qq")) {
  $("qq").addEventListener("input", filterQuarantine);
  $("all-groups").addEventListener("click", () => { group = ""; filterQuarantine(); });
  for (const b of document.querySelectorAll("button[data-group]")) b.addEventListener("click", () => { group = b.dataset.group; filterQuarantine(); $("qq").scrollIntoView({ block: "center" }); });
}

// ---- start
const FIELDS = ["q", "task", "status", "sort"];
function fromAddress() {
  const asked = readAddress();
  for (const key of FIELDS) {
    const value = asked.get(key) || "";
    if ($(key).tagName !== "SELECT" || [...$(key).options].some((o) => o.value === value)) $(key).value = value;
  }
  if (asked.get("theme")) document.documentElement.dataset.theme = asked.get("theme");
  search();
  if (asked.get("sample")) open(asked.get("sample"));
  else if (FIELDS.some((key) => asked.get(key))) $("explore").scrollIntoView();
}
for (const key of FIELDS) $(key).addEventListener("input", () => { writeAddress({ [key]: $(key).value }); search(); });
$("tools").addEventListener("submit", (event) => event.preventDefault());
$("more").addEventListener("click", () => more($("q").value.toLowerCase().split(/\s+/).filter(Boolean), $("sort").value));
addEventListener("hashchange", () => { if (location.hash.includes("=")) fromAddress(); });
filterQuarantine();
fromAddress();
