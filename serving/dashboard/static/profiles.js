// All profiles of the clone: one row each, asked for anew every few seconds.

import * as f from "./format.js";
import { BASE } from "./shell.js";

const EVERY_MS = 5000;

const cell = (text, classes = "") => {
  const made = document.createElement("td");
  made.textContent = text;
  made.className = classes;
  return made;
};

const name = (row) => {
  const made = cell(row.page ? "" : row.profile);
  if (row.page) {
    const link = document.createElement("a");
    link.href = row.page;
    link.textContent = row.profile;
    made.append(link);
  }
  return made;
};

const state = (row) => {
  if (!row.running) return "not running";
  const words = [row.armed ? "trades" : "not armed"];
  if (row.kill) words.push("kill switch");
  if (row.paused) words.push("entries paused");
  return words.join(" · ");
};

const model = (row) => (row.bundle ? `${f.short(row.bundle, 8)} · ${row.champion}` : "–");

const line = (row) => {
  const made = document.createElement("tr");
  const policy = row.policy ? `${f.words(row.policy)}${row.pinned ? " (pinned)" : ""}` : "–";
  made.append(name(row), cell(row.mode ?? "–", "opt"), cell(policy, "opt"), cell(model(row), "opt"), cell(state(row), row.running && row.armed ? "" : "down"),
    cell(f.money(row.equity_pusd), "n"), cell(f.signed(row.daily_pnl_pusd), `n ${f.tone(row.daily_pnl_pusd)}`),
    cell(f.signed(row.pnl_pusd), `n opt ${f.tone(row.pnl_pusd)}`), cell(row.positions ?? "–", "n opt"), cell(row.alarms.join(" · "), "wrap"));
  return made;
};

const show = async () => {
  try {
    const answer = await fetch(new URL("api/profiles", BASE));
    const rows = await answer.json();
    document.querySelector("#profiles tbody").replaceChildren(...rows.map(line));
    const running = rows.filter((row) => row.running).length;
    document.getElementById("note").textContent = `${running} of ${rows.length} run`;
  } catch {
    document.getElementById("note").textContent = "this bot does not answer";
  }
  setTimeout(show, EVERY_MS);
};

show();
