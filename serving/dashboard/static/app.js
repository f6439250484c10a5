// The page of a trader: one picture of the bot's state, replaced whole at every bar.

import { EquityChart } from "./chart.js";
import * as controls from "./controls.js";
import * as f from "./format.js";
import { BASE, explain, meaning, ready, shortcut } from "./shell.js";
import * as tables from "./tables.js";

const byId = (id) => document.getElementById(id);
const chart = new EquityChart(byId("chart").firstElementChild, async (from, to) => {
  const answer = await fetch(new URL(`api/equity${from === undefined ? "" : `?from_s=${from}&to_s=${to}`}`, BASE));
  if (!answer.ok) throw new Error(`the curve was not given: ${answer.status}`);
  return answer.json();
});
window.equityChart = chart; // for the console and for tests
let state = null;
let received = 0;
let reason = "";
let span = "bar";
let drawn = false;
let notFollowed = [];
let wanted = "";

const text = (id, value, classes = "") => {
  byId(id).textContent = value;
  if (classes !== null) byId(id).className = classes;
};

const bar = (id, used) => {
  const meter = byId(id);
  const inner = meter.firstElementChild ?? meter.appendChild(document.createElement("i"));
  inner.style.width = `${Math.min(100, Math.max(0, used * 100))}%`;
  meter.className = used > 0.85 ? "high" : used > 0.5 ? "mid" : "";
};

const showMode = (s) => {
  const shown = s.armed ? s.mode : "not armed";
  document.body.dataset.mode = s.armed ? s.mode : "cash";
  document.title = `${shown.toUpperCase()} · oddsmith`;
  text("mode", shown.toUpperCase(), null);
  text("mode-note", s.armed ? s.venue : `${s.mode}: ${s.sells ? "closes what is held, opens nothing" : "shows, orders nothing"}`, null);
};

const showClock = (s) => {
  text("market-time", f.clock(s.market_time_s), null);
  text("bar", s.bar ? `${Math.round(s.bar.took_ms)} ms` : "–", null);
  byId("bar").title = "Wall time from the close of the bar to its decisions";
};

const showBadges = (s) => {
  const equal = s.ledger_equals_venue;
  text("ledger", equal === null ? "ledger …" : equal ? "ledger = venue" : "ledger ≠ venue",
    `badge ${equal === null ? "" : equal ? "good" : "bad"}`);
  byId("kill").className = s.kill ? "on" : "";
  text("kill", s.kill ? "KILLED · resume" : "Kill switch", null);
};

const showAlarm = (s) => {
  const alarm = byId("alarm");
  const lines = [...s.alarms];
  if (s.kill) lines.unshift("Kill switch is on: nothing is opened, positions are being closed.");
  alarm.hidden = lines.length === 0;
  alarm.textContent = lines.join(" · ");
  byId("notice").hidden = s.notices.length === 0;
  byId("notice").textContent = s.notices.join(" · ");
  const banner = byId("unarmed");
  banner.hidden = s.armed && !s.override;
  banner.className = s.override ? "override" : "";
  banner.firstElementChild.textContent = s.override ? "ARMED BY HAND" : s.sells ? "NOT ARMED · OPENS NOTHING" : "NOT ARMED · ORDERS NOTHING";
  banner.lastElementChild.textContent = s.cash_reason;
};

const showTiles = (s) => {
  const a = s.account;
  if (!a) return;
  text("equity", f.money(a.equity));
  text("equity-note", `cash ${f.money(a.cash)} · started with ${f.money(a.initial)}`, null);
  text("daily-pnl", f.signed(a.daily_pnl), f.tone(a.daily_pnl));
  text("daily-note", `${f.signedPercent(a.daily_fraction)} · limit −${f.percent(a.daily_limit, 0)}`, null);
  text("total-pnl", f.signed(a.pnl), f.tone(a.pnl));
  text("fees-note", `fees paid ${f.money(a.fees)}`, null);
  text("drawdown", f.percent(a.drawdown, 2));
  bar("drawdown-bar", a.drawdown / a.max_drawdown);
  byId("drawdown-bar").title = `limit ${f.percent(a.max_drawdown, 0)}`;
  text("exposure", f.percent(a.exposure));
  bar("exposure-bar", a.exposure / a.max_exposure);
  byId("exposure-bar").title = `limit ${f.percent(a.max_exposure, 0)}`;
  text("win-rate", f.percent(a.win_rate, 0));
  text("win-note", `${a.closed_trades} closed`, null);
  text("orders-matched", `${s.orders.matched} / ${s.orders.placed}`);
  text("orders-note", `${s.orders.rejected} rejected · ${s.orders.unknown} unknown`, null);
};

const showModel = (s) => {
  const m = s.model;
  tables.facts("model", [
    ["Bundle", f.short(m.bundle, 12), m.bundle, true],
    ["Policy", m.policy ? f.words(m.policy) : "–", meaning(f.words(m.policy ?? ""))],
    ["Forecast", m.forecast ?? "–", meaning(m.forecast ?? "")],
    ["Hit rate", s.score?.moves ? `${f.percent(s.score.accuracy, 0)} of ${f.count(s.score.moves)}` : "–"],
    ["Data up to", f.clock(m.as_of_s)],
    ["Verdict until", m.verdict ? f.clock(m.verdict.expires_s) : "none"],
    ...(s.shadow?.shadow ? [["In shadow", `${f.short(s.shadow.shadow, 12)} · ${f.signed(s.shadow.pnl_pusd)} on paper`,
      `${s.shadow.role}: ${s.shadow.why}`, true]] : []),
    ["Champion", m.champion ? `version ${m.version ?? "of this bento"}` : "no", m.bento],
  ]);
  const gate = m.gate ?? {};
  text("verdict", gate.verdict ? gate.verdict.toUpperCase() : "NONE", `verdict ${gate.verdict ?? ""}`);
  tables.sync(byId("gate-reasons"), (gate.reasons ?? []).map((line) => {
    const li = document.createElement("li");
    li.textContent = line;
    return li;
  }));
  tables.facts("latency", Object.entries(s.latency_ms).map(([name, [p50, p95]]) => [
    f.words(name), `${p50.toFixed(1)} / ${p95.toFixed(1)}`]));
};

const showRefusals = (s) => {
  const counts = Object.entries(s.orders.refused).sort((a, b) => b[1] - a[1]);
  tables.sync(byId("refusals"), counts.map(([name, count]) => {
    const button = document.createElement("button");
    const number = document.createElement("b");
    number.textContent = f.count(count);
    button.append(f.words(name), number);
    button.type = "button";
    button.dataset.reason = name;
    button.title = `Show only these. ${meaning(f.words(name))}`;
    button.setAttribute("aria-pressed", String(name === reason));
    return button;
  }));
};

byId("refusals").addEventListener("click", (event) => {
  const chosen = event.target.closest("button")?.dataset.reason;
  if (chosen === undefined) return;
  reason = reason === chosen ? "" : chosen;
  show(state);
});

const showMarkets = (s) => {
  const fits = (m) => !wanted || `${m.question} ${m.action ?? ""} ${m.detail ?? ""}`.toLowerCase().includes(wanted);
  const shown = s.markets.filter(fits);
  tables.markets(shown, wanted);
  text("markets-note", wanted ? `${shown.length} of ${s.markets.length} followed` : `${s.markets.length} followed`, null);
  const left = notFollowed.filter(fits);
  byId("left-out").hidden = notFollowed.length === 0;
  text("left-out-note", `${left.length} listed and not followed`, null);
  tables.notFollowed(left);
};

const showTables = (s) => {
  tables.positions(s.positions, s.armed);
  tables.orders(s.open_orders);
  showMarkets(s);
  tables.decisions(s.recent_decisions, reason);
  tables.fills(s.fills);
  tables.funnel(s.funnel[span]);
  const held = s.positions.length, most = s.limits.max_markets;
  text("positions-note", held > most ? `${held}: at most ${most}, and leftovers too small to sell` : `${held} of at most ${most}`, null);
  text("open-note", `${s.open_orders.length}`, null);
  text("decisions-note", "newest first; click a reason to filter", null);
  text("fills-note", `${s.fills_total}`, null);
  text("account", `account ${s.account?.address ?? "…"} · up since ${f.clock(s.started_ms / 1000)} UTC`, null);
};

const show = (s) => {
  for (const part of [showMode, showClock, showBadges, showAlarm, showTiles, showModel, showRefusals, showTables, controls.show]) part(s);
};

let inShadow = null;

// The curve is long: it comes once, by itself, and the newest bar with every state.
const loadCurve = async () => {
  try {
    byId("chart").dataset.bars = await chart.load();
    drawn = true;
  } catch { setTimeout(loadCurve, 2000); }
};

const receive = (message) => {
  const first = "not_followed" in message;
  if (first) notFollowed = message.not_followed;
  state = message;
  received = performance.now();
  chart.startAt(message.account?.initial ?? 0);
  if (drawn && message.equity.length) chart.push(message.equity[0]);
  const bundle = message.shadow?.shadow ?? null;
  chart.inShadow(message.shadow?.points ?? [], first || bundle !== inShadow);
  inShadow = bundle;
  show(message);
};

const tick = () => {
  const silent = state ? (performance.now() - received) / 1000 : 0;
  const feed = state ? state.feed.age_s + silent : null;
  const stale = state && feed > state.feed.stale_after_s;
  text("feed-age", f.age(feed), stale ? "down" : "");
  document.body.classList.toggle("stale", Boolean(stale));
};

const connect = () => {
  const url = new URL("ws/state", BASE);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(url);
  socket.onopen = () => { text("link", "streaming", "badge good"); loadCurve(); };
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = () => { text("link", "reconnecting", "badge bad"); setTimeout(connect, 1000); };
};

const confirmKill = async () => {
  const killed = state?.kill;
  text("confirm-title", killed ? "Resume trading?" : "Stop trading?", null);
  text("confirm-text", killed
    ? "The bot may open positions again from the next bar on."
    : "Resting orders are cancelled, positions are closed at the next bar, and nothing is opened until you resume.", null);
  text("confirm-yes", killed ? "Resume trading" : "Stop trading", null);
  byId("confirm").returnValue = "no";
  byId("confirm").showModal();
};

byId("kill").addEventListener("click", confirmKill);
byId("confirm").addEventListener("close", async () => {
  if (byId("confirm").returnValue !== "yes") return;
  const answer = await controls.sendWithToken("kill", { on: !state?.kill });
  if (!answer.ok) window.alert((await answer.json()).error);
});
const chooseSpan = (button) => {
  if (!button) return;
  for (const one of byId("ranges").children) one.setAttribute("aria-pressed", String(one === button));
  chart.show(Number(button.dataset.span));
};
byId("ranges").addEventListener("click", (event) => chooseSpan(event.target.closest("button")));
for (const button of byId("ranges").children) shortcut(button.dataset.key, `Equity: ${button.title}`, () => chooseSpan(button));

byId("filter").addEventListener("input", (event) => { wanted = event.target.value.trimStart().toLowerCase(); if (state) showMarkets(state); });
byId("filter").addEventListener("keydown", (event) => { if (event.key === "Escape") { event.target.value = ""; wanted = ""; showMarkets(state); event.target.blur(); } });
shortcut("/", "Find a market", () => byId("filter").focus());
shortcut("k", "Kill switch (asks before it acts)", confirmKill);

byId("funnel-span").addEventListener("click", (event) => {
  span = event.target.dataset?.span ?? span;
  for (const button of byId("funnel-span").children) button.setAttribute("aria-pressed", String(button.dataset.span === span));
  if (state) tables.funnel(state.funnel[span]);
});

setInterval(tick, 250);
ready.then(() => { if (state) show(state); });
connect();
