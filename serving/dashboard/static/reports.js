// The last night and its reports in short, with the way to each whole one.

import * as f from "./format.js";
import { BASE, explain, meaning, ready } from "./shell.js";
import { sync } from "./tables.js";

const byId = (id) => document.getElementById(id);
const make = (name, text = "", attributes = {}) => {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const items = (lines) => lines.map((line) => make("li", line));

const table = (heads, rows) => {
  const scroll = make("div", "", { class: "scroll" });
  const made = scroll.appendChild(make("table"));
  const head = made.appendChild(make("thead")).appendChild(make("tr"));
  head.append(...heads.map(([text, classes = ""]) => make("th", text, { class: classes })));
  made.appendChild(make("tbody")).append(...rows.map((cells) => {
    const tr = make("tr");
    tr.append(...cells.map(([text, classes = "", title = ""]) => make("td", text, { class: classes, ...(title ? { title } : {}) })));
    return tr;
  }));
  return scroll;
};

const DETAILS = {
  gate: (short) => table([["Criterion"], ["Holds"], ["In words"]], short.rows.map((row) => [
    [f.words(row.name)], [row.holds ? "yes" : "no", row.holds ? "up" : "down"], [row.text, "dim"]])),
  backtest: (short) => table(
    [["Strategy"], ["P&L", "n"], ["Return", "n"], ["Drawdown", "n opt"], ["Round trips", "n opt"], ["Win rate", "n opt"], ["Fees", "n opt"]],
    short.strategies.map((row) => [
      [`${f.words(row.name)}${row.chosen ? " ★" : ""}`, "", meaning(f.words(row.name).replace(/ \d+$/, ""))], [f.signed(row.pnl_pusd), `n ${f.tone(row.pnl_pusd)}`], [f.signedPercent(row.return), "n"],
      [f.percent(row.max_drawdown), "n opt"], [f.count(row.round_trips), "n opt"], [f.percent(row.win_rate, 0), "n opt"], [f.money(row.fees_pusd), "n opt"]])),
  drift: (short) => table([["Column"], ["PSI", "n"], ["Limit", "n"], ["Moved"]], short.columns.map((row) => [
    [f.words(row.name)], [f.figure(row.psi), "n"], [f.figure(row.limit), "n"],
    [row.drifted ? "yes" : row.decides ? "no" : "shown only", row.drifted ? "down" : "dim"]])),
};

const card = (report) => {
  const made = make("section", "", { class: `panel ${["gate", "backtest"].includes(report.name) ? "whole" : "half"}`, id: report.name, "data-testid": `report-${report.name}` });
  const head = make("h2", report.title);
  const short = report.short;
  const states = ["promote", "hold", "good", "broken", "drift", "stable", "differs"];
  if (short) head.append(make("span", f.words(short.verdict).toUpperCase(), { class: `verdict ${states.includes(short.verdict) ? short.verdict : "plain"}` }));
  if (report.page) head.append(make("a", "Whole report →", { href: new URL(`reports/${report.name}`, BASE).pathname }));
  made.append(head, make("p", short ? `${report.about}; written ${f.clock(report.at_s)} UTC` : `${report.about}. It was not made on this machine yet.`, { class: "dim" }));
  if (!short) return made;
  if (report.name !== "gate") { // its table says the same, criterion by criterion
    const list = make("ul", "", { class: "lines" });
    list.append(...items(short.lines));
    made.append(list);
  }
  if (DETAILS[report.name]) made.append(DETAILS[report.name](short));
  return made;
};

const showNight = (night) => {
  if (!night) { byId("night-note").textContent = "No night has ended on this machine yet. `oddsmith nightly` runs one now."; return; }
  byId("night-note").textContent = `ended ${f.clock(night.ended_s)} UTC, took ${f.seconds(Object.values(night.steps).reduce((a, b) => a + b, 0))}`
    + (night.champion ? `; ${f.short(night.champion)} trades since then` : "; no bundle trades");
  const verdict = make("span", (night.verdict ?? "none").toUpperCase(), { class: `verdict ${night.verdict ?? ""}` });
  byId("night").querySelector("h2").replaceChildren("Last night", verdict);
  sync(byId("night-reasons"), items(night.reasons));
  const longest = Math.max(...Object.values(night.steps), 0.1);
  byId("night-steps").replaceChildren(...Object.entries(night.steps).sort((a, b) => b[1] - a[1]).flatMap(([name, took]) => {
    const holder = make("dd");
    holder.append(make("i", "", { style: `display:block;width:${(100 * took) / longest}%` }));
    return [make("dt", name), holder, make("dd", f.seconds(took), { class: "n" })];
  }));
};

const showLinks = (links) => {
  const own = [["Dashboard", ""], ["API", "docs"], ["Glossary", "glossary"]];
  byId("links").replaceChildren(
    ...links.map((one) => make("a", `${one.title} ↗`, { href: one.url, target: "_blank", rel: "noreferrer", "data-testid": `link-${one.name}` })),
    ...own.map(([title, path]) => make("a", title, { href: new URL(path, BASE).pathname })));
};

const load = async () => {
  const alarm = byId("alarm");
  try {
    const found = await (await fetch(new URL("api/reports", BASE))).json();
    await ready;
    showNight(found.night);
    showLinks(found.links);
    const order = ["gate", "backtest", "drift", "validation", "parity"];
    for (const report of [...found.reports].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name))) byId("cards").append(card(report));
    if (location.hash) document.querySelector(location.hash)?.scrollIntoView();
    explain();
  } catch (error) {
    alarm.hidden = false;
    alarm.textContent = `the service does not answer: ${error.message}`;
  }
};
load();
