// Rows of the tables. Text from the venue goes in as text, never as markup.

import * as f from "./format.js";
import { explain, meaning, ready } from "./shell.js";

export const cell = (text, classes = "", title = "") => {
  const td = document.createElement("td");
  td.className = classes;
  td.textContent = text;
  if (title) td.title = title;
  return td;
};

export const tag = (text, kind, classes = "", title = "") => {
  const td = document.createElement("td");
  if (title) td.title = title;
  const span = document.createElement("span");
  td.className = classes;
  span.className = `tag ${kind}`;
  span.textContent = text;
  td.append(span);
  return td;
};

// Give the focus back to what had it before its node was replaced.
const refocus = (parent, held) => {
  if (held === null || parent.contains(document.activeElement)) return;
  const same = [...parent.querySelectorAll("a, button")].find((one) => (one.getAttribute("href") ?? one.textContent) === held);
  same?.focus({ preventScroll: true });
};

// Put nodes into a parent. What has not changed stays, so that focus, selection and scrolling stay too.
export const sync = (parent, nodes) => {
  const active = document.activeElement;
  const held = parent.contains(active) ? active.getAttribute("href") ?? active.textContent : null;
  nodes.forEach((node, at) => {
    const old = parent.children[at];
    if (!old) parent.append(node);
    else if (!old.isEqualNode(node)) old.replaceWith(node);
  });
  while (parent.children.length > nodes.length) parent.lastElementChild.remove();
  refocus(parent, held);
};

// How often the words of the pages came in: titles of rows change with them.
let edition = 0;
ready.then(() => { edition += 1; });

// One row for each of `rows`; `draw` makes its cells. A row that has not changed keeps its nodes, wherever it now is:
// only what is new is made. `about` is what else the cells depend on.
export const fill = (id, rows, draw, empty, about = "") => {
  const body = document.querySelector(`#${id} tbody`);
  if (!rows.length) {
    const tr = document.createElement("tr");
    const td = cell(empty);
    tr.className = "empty";
    td.colSpan = document.querySelectorAll(`#${id} th`).length;
    tr.append(td);
    sync(body, [tr]);
    return;
  }
  const before = new Map();
  for (const tr of body.children) before.set(tr.made, [...(before.get(tr.made) ?? []), tr]);
  const active = document.activeElement;
  const held = body.contains(active) ? active.getAttribute("href") ?? active.textContent : null;
  rows.forEach((row, at) => {
    const made = JSON.stringify([row, about, edition]);
    let tr = before.get(made)?.shift();
    if (!tr) {
      tr = document.createElement("tr");
      tr.append(...draw(row));
      tr.made = made;
    }
    if (body.children[at] !== tr) body.insertBefore(tr, body.children[at] ?? null);
  });
  while (body.children.length > rows.length) body.lastElementChild.remove();
  refocus(body, held);
};

export const positions = (rows, armed) =>
  fill("positions", rows, (p) => [
    link(p.market_id, p.question, p.question),
    tag(p.outcome, p.outcome.toLowerCase()),
    cell(f.shares(p.shares), "n"),
    cell(f.price(p.entry, p.tick), "n opt"),
    cell(f.price(p.mid, p.tick), "n"),
    cell(f.money(p.value), "n opt"),
    cell(f.signed(p.pnl), `n ${f.tone(p.pnl)}`),
    cell(f.signedPercent(p.pnl_fraction, 1), `n ${f.tone(p.pnl)}`),
  ], armed ? "No position. Cash is a position too." : "In cash: nothing is ordered until a model has earned it.");

export const orders = (rows) =>
  fill("orders", rows, (o) => [
    o.market_id ? link(o.market_id, o.question, o.question) : cell(f.name(o.question), "name", o.question),
    tag(`${o.side} ${o.outcome}`, o.side.toLowerCase()),
    cell(f.price(o.price, o.tick), "n"),
    cell(f.shares(o.shares), "n"),
    cell(f.shares(o.filled), "n opt"),
    cell(o.state, "dim", meaning(o.state)),
  ], "No order is waiting at the venue.");

// What was wanted: enter_long -> long; what the venue was not asked for is said to be refused or not sent.
export const wanted = (d) => f.words(d.action.replace("enter_", ""));
export const kind = (d) => (d.action.includes("long") ? "yes" : d.action.includes("short") ? "no" : "");
const unsent = (d) => d.acting && !d.armed;

const outcome = (d) => {
  if (d.refusal) return tag(f.words(d.refusal), "refused", "", `${wanted(d)} refused: ${d.detail}. ${meaning(f.words(d.refusal))}`);
  return tag(wanted(d) + (unsent(d) ? ", not sent" : ""), kind(d), "", d.detail);
};

export const link = (id, question, title) => {
  const td = cell("", "name", title);
  const a = td.appendChild(document.createElement("a"));
  a.href = `market/${id}`;
  a.textContent = f.name(question);
  return td;
};

export const notFollowed = (rows) =>
  fill("not-followed", rows, (m) => [link(m.market_id, m.question, m.question), cell(m.why, "why", m.why)], "Every listed market is followed.");

export const markets = (rows, searched) =>
  fill("markets", rows, (m) => [
    link(m.market_id, m.question, `${m.question} · ends ${f.clock(m.end_s)}`),
    cell(f.price(m.bid, m.tick), "n opt"),
    cell(f.price(m.ask, m.tick), "n opt"),
    cell(f.signed(m.move_cents, 2), `n ${f.tone(m.move_cents)}`,
      `90 % interval ${f.signed(m.lower_cents, 2)} to ${f.signed(m.upper_cents, 2)}`),
    cell(f.percent(m.confidence, 0), "n"),
    m.action ? outcome(m) : cell("warming", "dim"),
    cell(m.detail ?? "its window fills", "why opt", m.detail ?? "nothing is decided until the window has enough bars"),
  ], searched ? "No market fits what you typed." : "No market yet: the bot is reading the listing.");

const why = (d) => {
  if (!d.refusal) return d.detail + (unsent(d) ? " (not sent)" : "");
  const reason = f.words(d.refusal);
  return d.detail.startsWith(reason) ? d.detail : `${reason}: ${d.detail}`;
};

export const decisions = (rows, reason) =>
  fill("decisions", rows.filter((d) => !reason || d.refusal === reason), (d) => [
    cell(f.clock(d.ts_s, false), "dim"),
    link(d.market_id, d.question, d.question),
    tag(wanted(d), d.refusal ? "refused" : kind(d)),
    cell(why(d), "why", why(d)),
  ], "Nothing decided yet but holding.");

export const fills = (rows) =>
  fill("fills", rows, (t) => [
    cell(f.clock(t.ts_s, false), "dim"),
    link(t.market_id, t.question, t.question),
    tag(`${t.side} ${t.outcome}`, t.side.toLowerCase()),
    cell(f.price(t.price, t.tick), "n"),
    cell(f.shares(t.shares), "n"),
    cell(f.money(t.fee), "n opt"),
  ], "No fill yet.");

export const funnel = (steps) => {
  const most = Math.max(1, ...steps.map((s) => s.count));
  sync(document.getElementById("funnel"), steps.map((s) => {
    const li = document.createElement("li");
    const name = document.createElement("b");
    const bar = document.createElement("i");
    const lost = document.createElement("small");
    name.append(f.words(s.step));
    name.dataset.term = f.words(s.step);
    name.title = s.meaning;
    const count = document.createElement("span");
    count.textContent = f.count(s.count);
    bar.style.width = `${(100 * s.count) / most}%`;
    lost.textContent = Object.entries(s.lost).map(([why, n]) => `−${f.count(n)} ${f.words(why)}`).join(" · ");
    lost.title = Object.keys(s.lost).map((why) => [f.words(why), meaning(f.words(why))].filter(Boolean).join(": ")).join("\n");
    li.append(name, count, bar, lost);
    return li;
  }));
};

// Pairs of (name, value, title, code?); the name is explained where the glossary has it.
export const facts = (id, pairs) => {
  const list = document.getElementById(id);
  sync(list, pairs.flatMap(([name, value, title, code]) => {
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = name;
    const holder = code ? dd.appendChild(document.createElement("code")) : dd;
    if (value instanceof Node) holder.append(value); else holder.textContent = value;
    if (title) dd.title = title;
    return [dt, dd];
  }));
  explain(list);
};
