// The page of one market: asked anew at every bar, while the page is visible.

import { facts, fill, cell, tag, wanted, kind } from "./tables.js";
import * as f from "./format.js";
import { colours, faded, frame, keepInView, newChart } from "./chart.js";
import { BASE, meaning, shortcut } from "./shell.js";

const byId = (id) => document.getElementById(id);
const id = location.pathname.split("/").filter(Boolean).pop();
const EVERY_MS = 2000;
let series = null;
let chart = null;
let marks = null;
let newest = null;
let span = 0;

const draw = () => {
  chart = newChart(byId("chart").firstElementChild, { timeScale: { rightOffset: 1 } });
  const { Solid, Dotted, Dashed } = LightweightCharts.LineStyle;
  const line = (lineWidth, lineStyle, extra = {}) => chart.addSeries(LightweightCharts.LineSeries, {
    lineWidth, lineStyle, lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false,
    priceFormat: { type: "price", precision: 4, minMove: 0.0001 }, ...extra,
  });
  series = {
    bid: line(1, Solid), ask: line(1, Solid), mid: line(2, Solid, { lastValueVisible: true }),
    mean: line(2, Solid), lower: line(1, Dotted), upper: line(1, Dotted),
    before: line(2, Dashed), beforeLower: line(1, Dotted), beforeUpper: line(1, Dotted),
  };
  marks = LightweightCharts.createSeriesMarkers(series.mid, []);
  keepInView(byId("chart"), chart, look, () => { span = null; });
  paint();
  document.addEventListener("theme", paint);
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", paint);
};

const paint = () => {
  const c = colours();
  chart.applyOptions(frame(c));
  const of = {
    bid: faded(c.up, 0.75), ask: faded(c.down, 0.75), mid: c.text, mean: c.blue, lower: c.blue, upper: c.blue,
    before: c.violet, beforeLower: faded(c.violet, 0.6), beforeUpper: faded(c.violet, 0.6),
  };
  for (const [name, color] of Object.entries(of)) series[name].applyOptions({ color });
  for (const [name, color] of Object.entries(of)) for (const key of document.querySelectorAll(`[data-line="${name}"]`)) key.style.color = color;
  if (newest) showMarks(newest);
};

const showMarks = (m) => {
  const c = colours();
  // One mark per bar, side and outcome: an order that walks the book has a fill at every level.
  const together = new Map();
  for (const one of m.fills) {
    const key = `${one.ts_s} ${one.side} ${one.outcome}`;
    together.set(key, { ...one, times: (together.get(key)?.times ?? 0) + 1 });
  }
  // Words only where they have room: a twelfth of the picture apart.
  const room = ((m.prices.at(-1)?.[0] ?? 0) - (m.prices[0]?.[0] ?? 0)) / 12;
  let written = (m.prices[0]?.[0] ?? 0) - room / 2; // nothing at the left edge, where words would be cut off
  const says = (one) => {
    if (one.ts_s - written < room) return false;
    written = one.ts_s;
    return true;
  };
  const fills = [...together.values()].sort((a, b) => a.ts_s - b.ts_s).map((one) => ({
    time: one.ts_s, position: one.side === "BUY" ? "belowBar" : "aboveBar", shape: one.side === "BUY" ? "arrowUp" : "arrowDown",
    color: one.outcome === "YES" ? c.up : c.down,
    text: says(one) ? `${one.side === "BUY" ? "bought" : "sold"} ${one.outcome}${one.times > 1 ? ` ×${one.times}` : ""}` : "",
  }));
  // Orders that never traded are marks of their own; the others show as fills.
  const orders = m.orders.filter((one) => !one.filled).map((one) => ({
    time: one.ts_s, position: one.side === "BUY" ? "belowBar" : "aboveBar", shape: "circle", color: c.warn,
    text: `${one.side.toLowerCase()} ${one.outcome} ${one.state}`,
  }));
  marks.setMarkers([...fills, ...orders].sort((a, b) => a.time - b.time));
};

// Everything, or the newest bars; what the reader scrolled to by hand stays until a span is chosen again.
const look = () => {
  if (span === null || !newest) return;
  const count = newest.prices.length;
  if (span === 0 || count <= span) chart.timeScale().fitContent();
  else chart.timeScale().setVisibleLogicalRange({ from: count - span, to: count + newest.fan.length });
};

const chooseSpan = (button) => {
  for (const one of byId("ranges").children) one.setAttribute("aria-pressed", String(one === button));
  span = Number(button.dataset.bars);
  if (newest) look();
};

// Strictly ascending in time, which the library demands.
const points = (rows, column) => {
  const newest = new Map(rows.map((row) => [row[0], row[column]]));
  return [...newest].sort((a, b) => a[0] - b[0]).map(([time, value]) => ({ time, value }));
};

const show = (m) => {
  document.title = `${f.name(m.market.question)} · oddsmith`;
  byId("question").textContent = m.market.question;
  byId("followed").textContent = m.market.followed ? "followed" : m.market.left_out ? "not followed" : "no longer followed";
  byId("followed").title = m.market.left_out;
  byId("followed").className = `badge ${m.market.followed ? "good" : ""}`;
  newest = m;
  if (!chart) draw();
  series.mid.setData(points(m.prices, 1));
  series.bid.setData(points(m.prices.filter((row) => row[2] > 0), 2));
  series.ask.setData(points(m.prices.filter((row) => row[3] < 1), 3));
  for (const [name, fan, column] of [["mean", m.fan, 1], ["lower", m.fan, 2], ["upper", m.fan, 3],
    ["before", m.fan_hour_ago, 1], ["beforeLower", m.fan_hour_ago, 2], ["beforeUpper", m.fan_hour_ago, 3]]) series[name].setData(points(fan, column));
  showMarks(m);
  look();
  showNow(m);
  showTables(m);
};

const showNow = (m) => {
  const last = m.decisions[0];
  byId("why").textContent = m.market.left_out ? `Not followed: ${m.market.left_out}.`
    : last ? last.why : m.market.followed ? "Nothing is decided until its window is warm." : "It is not decided any more.";
  const p = m.position;
  facts("now", [
    ["Position", p ? `${f.shares(p.shares)} ${p.outcome}` : "none"],
    ...(p ? [["P&L", f.signed(p.pnl)]] : []),
    ...(m.payout ? [["Paid out", `YES ${m.payout.yes}, ${f.money(m.payout.pusd)} pUSD came in`]] : []),
    ["Ends", f.clock(m.market.end_s)],
    ["Event", m.market.event, m.market.event],
    ["Topic", m.market.topic || "–"],
    ["Tick", String(m.market.tick)],
    ["Smallest order", `${f.shares(m.market.min_size)} shares`],
    ["Fee", f.percent(m.market.fee_rate, 1), "Rate of the taker fee; what a trade pays falls towards prices of 0 and 1"],
    ["Sentiment", f.signed(m.sentiment, 2)],
    ["Id", f.short(m.market.market_id, 14), m.market.market_id, true],
  ]);
};

const showTables = (m) => {
  const tick = m.market.tick;
  fill("bids", m.book.bids, ([price, size]) => [cell(f.shares(size), "n"), cell(f.price(price, tick), "n up")], "no bid", tick);
  fill("asks", m.book.asks, ([price, size]) => [cell(f.price(price, tick), "down"), cell(f.shares(size))], "no ask", tick);
  fill("decisions", m.decisions, (d) => [
    cell(f.clock(d.ts_s, false), "dim"), tag(wanted(d), d.refusal ? "refused" : kind(d)),
    cell(f.percent(d.confidence, 0), "n"), cell(d.why, "why", d.why),
  ], "No decision that the journal remembers.");
  fill("fills", [...m.fills].reverse(), (t) => [
    cell(f.moment(t.ts_s), "dim", f.clock(t.ts_s)), tag(`${t.side} ${t.outcome}`, t.side.toLowerCase()), cell(f.price(t.price, tick), "n"),
    cell(f.shares(t.shares), "n"), cell(f.money(t.fee), "n opt"), cell(f.words(t.reason), "dim", meaning(f.words(t.reason))),
  ], "No fill in this market.", tick);
  fill("orders", m.orders, (o) => [
    cell(f.moment(o.ts_s), "dim", f.clock(o.ts_s)), tag(`${o.side} ${o.outcome}`, o.side.toLowerCase()), cell(f.price(o.price, tick), "n"),
    cell(f.shares(o.shares), "n"), cell(f.shares(o.filled), "n opt"), cell(o.state, "dim", o.text || meaning(o.state)),
  ], "No order in this market.", tick);
  fill("headlines", m.headlines, (h) => [
    cell(f.moment(h.ts_s), "dim", f.clock(h.ts_s)), cell(h.text, "why", h.text), cell(f.signed(h.tone, 2), `n ${f.tone(h.tone)}`),
  ], "No headline names this market.");
  facts("features", m.features.map((one) => [f.words(one.name), f.figure(one.value), `${one.meaning} (${one.unit})`]));
};

const ask = async () => {
  if (document.hidden) return;
  const alarm = byId("alarm");
  try {
    const answer = await fetch(new URL(`api/market/${id}`, BASE));
    const found = await answer.json();
    alarm.hidden = answer.ok;
    if (answer.ok) show(found); else alarm.textContent = found.error;
  } catch (error) {
    alarm.hidden = false;
    alarm.textContent = `the service does not answer: ${error.message}`;
  }
};

document.addEventListener("visibilitychange", ask);
byId("ranges").addEventListener("click", (event) => { if (event.target.closest("button")) chooseSpan(event.target.closest("button")); });
for (const button of byId("ranges").children) shortcut(button.dataset.key, `Price: ${button.title}`, () => chooseSpan(button));
setInterval(ask, EVERY_MS);
ask();
