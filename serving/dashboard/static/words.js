// The glossary: every word with its meaning; #word leads to it.

import { ready, shortcut } from "./shell.js";

const box = document.getElementById("filter");
shortcut("/", "Find a word", () => box.focus());

const words = Object.entries(await ready);
const show = () => {
  const wanted = box.value.trim().toLowerCase();
  document.getElementById("words").replaceChildren(...words.filter(([word, said]) => `${word} ${said}`.toLowerCase().includes(wanted)).flatMap(([word, said]) => {
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.id = encodeURIComponent(word);
    dt.textContent = word;
    dd.textContent = said;
    return [dt, dd];
  }));
};
box.addEventListener("input", show);
show();
// The words came after the address was read.
if (location.hash) { const asked = location.hash; location.hash = ""; location.hash = asked; }
