// What every page has: the way to the others, shortcuts (key: ?), the theme, and the meaning of each word.

export const BASE = new URL("..", import.meta.url);
const HERE = location.pathname.slice(BASE.pathname.length).split("/")[0];

const PLACES = [
  ["", "Dashboard", "d"], ["days", "Looking back", "l"], ["reports", "Reports", "r"], ["profiles", "Profiles", "p"], ["glossary", "Glossary", "g"], ["docs", "API", "a"],
];
const keys = new Map();

// A shortcut of this page: one key without modifiers, what it does in words, and the doing.
export const shortcut = (key, says, act) => keys.set(key, { says, act });

const element = (name, text = "", attributes = {}) => {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

const buildNav = () => {
  const nav = document.getElementById("site");
  for (const [path, title, key] of PLACES) {
    const link = element("a", title, { href: new URL(path, BASE).pathname, title: `key: ${key}` });
    if (path === HERE) link.setAttribute("aria-current", "page");
    nav.append(link);
    shortcut(key, title, () => { location.href = link.href; });
  }
  const help = element("button", "? Keys", { type: "button", id: "keys-button", title: "Shortcuts of this page (key: ?)" });
  const theme = element("button", "", { type: "button", id: "theme", title: "Light, dark, or as the system (key: t)" });
  help.addEventListener("click", showKeys);
  theme.addEventListener("click", nextTheme);
  nav.append(theme, help);
  shortcut("t", "Light, dark, or as the system", nextTheme);
  shortcut("?", "This list", showKeys);
};

// Theme

const THEMES = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" };
const theme = () => localStorage.getItem("theme") ?? "auto";

const applyTheme = () => {
  const chosen = theme();
  if (chosen === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = chosen;
  const button = document.getElementById("theme");
  if (button) button.textContent = THEMES[chosen];
  document.dispatchEvent(new Event("theme"));
};

const nextTheme = () => {
  const names = Object.keys(THEMES);
  localStorage.setItem("theme", names[(names.indexOf(theme()) + 1) % names.length]);
  applyTheme();
};

// Shortcuts

const showKeys = () => {
  let dialog = document.getElementById("keys");
  if (!dialog) {
    dialog = element("dialog", "", { id: "keys", "aria-label": "Shortcuts" });
    document.body.append(dialog);
  }
  const form = element("form", "", { method: "dialog" });
  const list = element("dl", "", { class: "keys" });
  for (const [key, { says }] of keys) {
    const dt = element("dt");
    dt.append(element("kbd", key));
    list.append(dt, element("dd", says));
  }
  const foot = element("p", "Underlined words have a meaning: point at one, or tap it. ");
  foot.append(element("a", "All words", { href: new URL("glossary", BASE).pathname }));
  const row = element("div");
  row.append(element("button", "Close", { value: "close" }));
  form.append(element("h2", "Shortcuts"), list, foot, row);
  dialog.replaceChildren(form);
  dialog.showModal();
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea") || document.querySelector("dialog[open]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const found = keys.get(event.key);
  if (!found) return;
  event.preventDefault();
  found.act();
});

// Words

let words = {};
const name = (node) => (node.dataset.term ?? [...node.childNodes].filter((one) => one.nodeType === Node.TEXT_NODE).map((one) => one.data).join(" "))
  .replace(/[:¢]/g, "").trim().toLowerCase();

// The meaning of a word as the glossary gives it; empty where it has none.
export const meaning = (word) => words[word.trim().toLowerCase()] ?? "";

// Give headings, column heads and names of facts inside a node their meaning.
export const explain = (root = document) => {
  for (const node of root.querySelectorAll("h2, th, dt, [data-term]")) {
    const word = name(node);
    const said = meaning(word);
    if (!said) continue;
    node.dataset.term = word;
    if (!node.title) node.title = said;
  }
};

const showMeaning = (node) => {
  let box = document.getElementById("meaning");
  if (!box) {
    box = element("div", "", { id: "meaning", role: "tooltip", popover: "auto" });
    document.body.append(box);
  }
  const word = node.dataset.term;
  const link = element("a", "Glossary", { href: `${new URL("glossary", BASE).pathname}#${encodeURIComponent(word)}` });
  box.replaceChildren(element("b", word), element("p", node.title || meaning(word)), link);
  box.showPopover();
  const at = node.getBoundingClientRect();
  const left = Math.min(Math.max(8, at.left), innerWidth - box.offsetWidth - 8);
  const below = at.bottom + 6 + box.offsetHeight < innerHeight;
  box.style.left = `${left}px`;
  box.style.top = `${below ? at.bottom + 6 : Math.max(8, at.top - box.offsetHeight - 6)}px`;
};

document.addEventListener("click", (event) => {
  const node = event.target.closest?.("[data-term]");
  if (node && !event.target.closest("a, button, summary")) showMeaning(node);
});

export const ready = fetch(new URL("api/glossary", BASE)).then((answer) => answer.json()).then((found) => {
  words = found;
  explain();
  return found;
}).catch(() => ({}));

buildNav();
applyTheme();
