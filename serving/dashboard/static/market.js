// The page of one market: asked anew at every bar, while the page is visible.

import { facts, fill, cell, tag, wanted, kind } from "./tables.js";
import * as f from "./format.js";
import { colours } from "./chart.js";

const byId = (id) => document.getElementById(id);
const id = location.pathname.split("/").filter(Boolean).pop();
const EVERY_MS = 2000;
let series = null;
let chart = null;
let marks = null;

const draw = () => {
  const c = colours();
  chart = LightweightCharts.createChart(byId("chart").firstElementChild, {
    autoSize: true,
    layout: { background: { color: "transparent" }, textColor: c.dim, fontSize: 11, attributionLogo: false },
    grid: { vertLines: { color: c.line }, horzLines: { color: c.line } },
    timeScale: { timeVisible: true, secondsVisible: false, borderColor: c.line, minBarSpacing: 0.001 },
    rightPriceScale: { borderColor: c.line },
  });
  const line = (color, width, style, extra = {}) => chart.addSeries(LightweightCharts.LineSeries, {
    color, lineWidth: width, lineStyle: style, lastValueVisible: false, priceLineVisible: false,
    crosshairMarkerVisible: false, priceFormat: { type: "price", precision: 4, minMove: 0.0001 }, ...extra,
  });
  const { Solid, Dotted, Dashed } = LightweightCharts.LineStyle;
  series = {
    bid: line(c.up, 1, Dotted), ask: line(c.down, 1, Dotted), mid: line(c.text, 2, Solid, { lastValueVisible: true }),
    mean: line(c.blue, 2, Solid), lower: line(c.blue, 1, Dotted), upper: line(c.blue, 1, Dotted), before: line(c.violet, 1, Dashed),
  };
  marks = LightweightCharts.createSeriesMarkers(series.mid, []);
};

// Strictly ascending in time, which the library demands.
const points = (rows, column) => {
  const newest = new Map(rows.map((row) => [row[0], row[column]]));
  return [...newest].sort((a, b) => a[0] - b[0]).map(([time, value]) => ({ time, value }));
};

const show = (m) => {
  document.title = `${f.name(m.market.question)} · oddsmith`;
  byId("question").textContent = m.market.question;
  byId("followed").textContent = m.market.followed ? "followed" : "no longer followed";
  byId("followed").className = `badge ${m.market.followed ? "good" : ""}`;
  const first = !chart;
  if (first) draw();
  series.mid.setData(points(m.prices, 1));
  series.bid.setData(points(m.prices.filter((row) => row[2] > 0), 2));
  series.ask.setData(points(m.prices.filter((row) => row[3] < 1), 3));
  series.mean.setData(points(m.fan, 1));
  series.lower.setData(points(m.fan, 2));
  series.upper.setData(points(m.fan, 3));
  series.before.setData(points(m.fan_hour_ago, 1));
  const c = colours();
  marks.setMarkers(m.fills.map((one) => ({
    time: one.ts_s, position: one.side === "BUY" ? "belowBar" : "aboveBar", shape: one.side === "BUY" ? "arrowUp" : "arrowDown",
    color: one.outcome === "YES" ? c.up : c.down, text: `${one.side.toLowerCase()} ${one.outcome}`,
  })).sort((a, b) => a.time - b.time));
  // Afterwards the reader's own span stays.
  if (first) chart.timeScale().fitContent();
  showNow(m);
  showTables(m);
};

const showNow = (m) => {
  const last = m.decisions[0];
  byId("why").textContent = last ? last.why : m.market.followed ? "Nothing is decided until its window is warm." : "It is not decided any more.";
  const p = m.position;
  facts("now", [
    ["Position", p ? `${f.shares(p.shares)} ${p.outcome}` : "none"],
    ...(p ? [["P&L", f.signed(p.pnl)]] : []),
    ["Paid out", m.payout ? `YES ${m.payout.yes}, ${f.money(m.payout.pusd)} pUSD came in` : "–"],
    ["Ends", f.clock(m.market.end_s)],
    ["Event", m.market.event, m.market.event],
    ["Topic", m.market.topic || "–"],
    ["Tick, smallest order", `${m.market.tick}, ${f.shares(m.market.min_size)} shares`],
    ["Sentiment", f.signed(m.sentiment, 2)],
    ["Id", f.short(m.market.market_id, 14), m.market.market_id, true],
  ]);
};

const showTables = (m) => {
  const tick = m.market.tick;
  fill("bids", m.book.bids.map(([price, size]) => [cell(f.shares(size), "n"), cell(f.price(price, tick), "n up")]), "no bid");
  fill("asks", m.book.asks.map(([price, size]) => [cell(f.price(price, tick), "down"), cell(f.shares(size))]), "no ask");
  fill("decisions", m.decisions.map((d) => [
    cell(f.clock(d.ts_s, false), "dim"), tag(wanted(d), d.refusal ? "refused" : kind(d)),
    cell(f.percent(d.confidence, 0), "n"), cell(d.why, "why", d.why),
  ]), "No decision since the start.");
  fill("fills", m.fills.map((t) => [
    cell(f.clock(t.ts_s), "dim"), tag(`${t.side} ${t.outcome}`, t.side.toLowerCase()), cell(f.price(t.price, tick), "n"),
    cell(f.shares(t.shares), "n"), cell(f.money(t.fee), "n opt"), cell(f.words(t.reason), "dim"),
  ]).reverse(), "No fill in this market.");
  fill("orders", m.orders.map((o) => [
    cell(f.clock(o.ts_s), "dim"), tag(`${o.side} ${o.outcome}`, o.side.toLowerCase()), cell(f.price(o.price, tick), "n"),
    cell(f.shares(o.shares), "n"), cell(f.shares(o.filled), "n opt"), cell(o.state, "dim", o.text),
  ]), "No order in this market.");
  fill("headlines", m.headlines.map((h) => [
    cell(f.clock(h.ts_s), "dim"), cell(h.text, "why", h.text), cell(f.signed(h.tone, 2), `n ${f.tone(h.tone)}`),
  ]), "No headline names this market.");
  facts("features", m.features.map((one) => [f.words(one.name), Number(one.value.toPrecision(4)).toString(), `${one.meaning} (${one.unit})`]));
};

const ask = async () => {
  if (document.hidden) return;
  const alarm = byId("alarm");
  try {
    const answer = await fetch(new URL(`../api/market/${id}`, location.href));
    const found = await answer.json();
    alarm.hidden = answer.ok;
    if (answer.ok) show(found); else alarm.textContent = found.error;
  } catch (error) {
    alarm.hidden = false;
    alarm.textContent = `the service does not answer: ${error.message}`;
  }
};

document.addEventListener("visibilitychange", ask);
document.addEventListener("keydown", (event) => { if (event.key === "b" && !event.ctrlKey && !event.metaKey) location.href = "../"; });
setInterval(ask, EVERY_MS);
ask();
