// What a person asks while the bot trades: pause, closes, limits. Each button asks for a confirmation first.

import * as f from "./format.js";
import { BASE } from "./shell.js";

const byId = (id) => document.getElementById(id);

const send = (path, body) => {
  const token = sessionStorage.getItem("token");
  return fetch(new URL(path, BASE), {
    method: "POST",
    headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify(body),
  });
};

// Where others can reach the service a change asks for the token; it is kept for this tab alone.
export const sendWithToken = async (path, body) => {
  const first = await send(path, body);
  if (first.status !== 401) return first;
  const token = window.prompt("Token (service.token in the bot's var folder, or ODDSMITH_SERVICE_TOKEN)");
  if (!token) return first;
  sessionStorage.setItem("token", token.trim());
  const second = await send(path, body);
  if (second.status === 401) sessionStorage.removeItem("token");
  return second;
};

let asked = null;

const confirm = (title, text, path, body) => {
  asked = { path, body };
  byId("ask-title").textContent = title;
  byId("ask-text").textContent = text;
  byId("ask-yes").textContent = title.replace("?", "");
  byId("ask").returnValue = "no";
  byId("ask").showModal();
};

byId("ask").addEventListener("close", async () => {
  if (byId("ask").returnValue !== "yes" || asked === null) return;
  byId("controls-note").textContent = "asked; the bot answers at its next bar";
  const answer = await sendWithToken(asked.path, asked.body);
  if (!answer.ok) byId("controls-note").textContent = (await answer.json()).error;
});

byId("pause").addEventListener("click", () => {
  const paused = byId("pause").getAttribute("aria-pressed") === "true";
  if (paused) confirm("Resume entries?", "The bot may open positions again from the next bar on.", "pause", { on: false });
  else confirm("Pause entries?", "Nothing is opened until you resume, and resting purchases are cancelled. What is held is kept, and sold by the rules.", "pause", { on: true });
});

byId("reload").addEventListener("click", () => confirm("Reload limits?",
  "The sections risk and markets of params.yaml hold from the next bar on. If one value is not allowed, nothing changes.", "reload", {}));

byId("close-all").addEventListener("click", () => confirm("Close all positions?",
  "Every position is sold from the next bar on. The bot may buy again afterwards: pause entries first to stay out.", "close", { all: true }));

byId("closes").addEventListener("click", (event) => {
  const { market, question } = event.target.dataset ?? {};
  if (market) confirm("Close this position?", `${question} is sold from the next bar on. The bot may buy it again afterwards.`, "close", { market });
});

const closeButton = (position, closing) => {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.market = position.market_id;
  button.dataset.question = f.name(position.question);
  button.disabled = closing.includes(position.market_id);
  button.textContent = `${button.disabled ? "Closing" : "Close"}: ${button.dataset.question}`;
  return button;
};

const line = (request) => {
  const item = document.createElement("li");
  const state = request.done_ms ? request.text : "waits for the next bar";
  item.textContent = `${f.clock(request.asked_ms / 1000)} · ${request.asked_by} · ${request.kind}: ${state}`;
  if (request.text.startsWith("refused")) item.className = "down";
  return item;
};

let drawn = "";

/** Show what was asked for, and what became of it. */
export const show = (s) => {
  const c = s.controls;
  if (!c || !("paused" in c)) return;
  const picture = JSON.stringify([c, s.positions.map((one) => one.market_id)]);
  if (picture === drawn) return;
  drawn = picture;
  byId("pause").setAttribute("aria-pressed", String(c.paused));
  byId("pause").textContent = c.paused ? "Resume entries" : "Pause entries";
  const waits = c.requests.some((one) => !one.done_ms && one.kind !== "closing");
  byId("controls-note").textContent = waits ? "asked; the bot answers at its next bar"
    : c.paused ? `entries paused by ${c.paused_by}, ${f.clock(c.paused_ms / 1000)}` : "entries allowed";
  byId("close-all").disabled = s.positions.length === 0;
  byId("closes").replaceChildren(...s.positions.map((one) => closeButton(one, c.closing)));
  byId("asked").replaceChildren(...c.requests.slice(0, 8).map(line));
};
