// Looking back to a day: equity, trades, P&L, fees and slippage. The address keeps the day: days#2026-03-01.

import { EquityChart } from "./chart.js";
import * as f from "./format.js";
import { BASE, explain, meaning, ready, shortcut } from "./shell.js";
import { cell, fill, link, tag } from "./tables.js";

const byId = (id) => document.getElementById(id);
const text = (id, value, classes = "") => { byId(id).textContent = value; byId(id).className = classes; };
const chart = new EquityChart(byId("chart").firstElementChild);
let days = [];
let shown = null;

const ask = async (path) => {
  const answer = await fetch(new URL(path, BASE));
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
};

const change = (row) => (row.equity_end_pusd ?? 0) - (row.equity_start_pusd ?? 0);

const showDays = () => {
  fill("days", [...days].reverse(), (row) => {
    const td = cell("");
    const a = td.appendChild(document.createElement("a"));
    a.href = `#${row.day}`;
    a.textContent = row.day;
    if (row.day === shown?.day) a.setAttribute("aria-current", "date");
    return [td, cell(f.signed(change(row)), `n ${f.tone(change(row))}`), cell(f.signed(row.realised_pusd), `n opt ${f.tone(row.realised_pusd)}`),
      cell(f.count(row.trades), "n"), cell(f.money(row.fees_pusd), "n opt"), cell(f.money(row.slippage_pusd), "n opt")];
  }, "No bar has been decided yet.", shown?.day);
};

const showDay = (d) => {
  shown = d;
  const s = d.summary;
  const earned = (s.equity_end_pusd ?? 0) - (s.equity_start_pusd ?? 0);
  document.title = `${d.day} · oddsmith`;
  byId("day").value = d.day;
  byId("before").disabled = !d.previous;
  byId("after").disabled = !d.next;
  text("pnl", f.signed(earned), f.tone(earned));
  text("pnl-note", `equity ${f.money(s.equity_start_pusd)} → ${f.money(s.equity_end_pusd)}`, "");
  text("realised", f.signed(s.realised_pusd), f.tone(s.realised_pusd));
  text("realised-note", "of what was sold or paid out", "");
  text("trades-count", f.count(s.trades));
  text("wins-note", s.trades ? `${f.percent(s.wins / s.trades, 0)} won` : "none was closed", "");
  text("fees", f.money(s.fees_pusd));
  const other = Object.entries(s.other_cash_pusd).map(([kind, value]) => `${f.words(kind)} ${f.signed(value)}`).join(", ");
  text("other-note", other || "no rewards, no rebates", "");
  text("slippage", f.money(s.slippage_pusd));
  text("model-note", "worse than the mid at each fill", "");
  text("fallen", f.percent(Math.max(0, ...d.equity.map((point) => point[2])), 2));
  text("equity-note", `pUSD, ${f.count(d.bars)} bars`, "");
  chart.startAt(s.equity_start_pusd ?? 0);
  chart.draw(d.equity.map(([time, value]) => ({ time, value })));
  byId("chart").dataset.bars = d.equity.length;
  fill("reasons", d.by_reason, (row) => [
    cell(f.words(row.reason || "–"), "", meaning(f.words(row.reason || ""))), cell(f.count(row.trades), "n"),
    cell(f.signed(row.realised_pusd), `n ${f.tone(row.realised_pusd)}`), cell(f.money(row.fees_pusd), "n opt"), cell(f.money(row.slippage_pusd), "n opt")],
  "No position ended on this day.");
  text("trades-note", `${d.trades.length} closed`, "");
  fill("trades", [...d.trades].reverse(), (t) => [
    cell(f.clock(t.closed_s, false), "dim", `opened ${f.clock(t.opened_s)}`), link(t.market_id, t.question, t.question), tag(t.outcome, t.outcome.toLowerCase()),
    cell(f.shares(t.shares), "n opt"), cell(f.price(t.entry_price), "n opt"), cell(f.price(t.exit_price), "n opt"), cell(f.money(t.fees_pusd), "n opt"),
    cell(f.money(t.slippage_pusd), "n opt"), cell(f.signed(t.pnl_pusd), `n ${f.tone(t.pnl_pusd)}`), cell(f.words(t.reason), "dim", meaning(f.words(t.reason)))],
  "No position was closed on this day.");
  showDays();
};

// What the backtest's model would have paid takes a moment to work out: the day is shown first.
const compare = async (day) => {
  const { summary } = await ask(`api/day/${day}?against=model`);
  if (shown?.day !== day) return;
  const worse = summary.model_slippage_pusd;
  text("model-note", worse === null || worse === undefined ? "worse than the mid; no order to compare with the model"
    : `worse than the mid; ${f.signed(worse)} against the model`, "");
};

const open = async (day) => {
  try {
    showDay(await ask(`api/day/${day}`));
    byId("alarm").hidden = true;
    await compare(day);
  } catch (error) {
    byId("alarm").hidden = false;
    byId("alarm").textContent = error.message;
  }
};

const go = (day) => { if (day) location.hash = day; };
addEventListener("hashchange", () => open(location.hash.slice(1)));
byId("day").addEventListener("change", (event) => go(event.target.value));
byId("before").addEventListener("click", () => go(shown?.previous));
byId("after").addEventListener("click", () => go(shown?.next));
shortcut("ArrowLeft", "The day before", () => go(shown?.previous));
shortcut("ArrowRight", "The day after", () => go(shown?.next));

try {
  ({ days } = await ask("api/days"));
  if (days.length) { byId("day").min = days[0].day; byId("day").max = days[days.length - 1].day; }
  showDays();
  await open(location.hash.slice(1) || days[days.length - 1]?.day);
} catch (error) {
  byId("alarm").hidden = false;
  byId("alarm").textContent = error.message;
}
await ready;
explain();
