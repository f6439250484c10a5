// Numbers and times for people. Money arrives in pUSD, prices in [0, 1], times in Unix seconds.

const DASH = "–";
const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

// A format is made once: making one costs as much as writing a hundred numbers with it.
const formats = new Map();
const written = (value, least, most) => {
  const key = 100 * least + most;
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat("en-US", { minimumFractionDigits: least, maximumFractionDigits: most }));
  return formats.get(key).format(value);
};

export const money = (value, digits = 2) => (known(value) ? written(value, digits, digits).replace("-", "−") : DASH);

export const count = (value) => (known(value) ? written(value, 0, 0) : DASH);

// What rounds to nothing has no sign.
export const signed = (value, digits = 2) => {
  if (!known(value)) return DASH;
  const shown = money(Math.abs(value), digits);
  return `${Number(shown.replaceAll(",", "")) === 0 ? "" : value > 0 ? "+" : "−"}${shown}`;
};

export const percent = (value, digits = 1) => (known(value) ? `${(value * 100).toFixed(digits)} %` : DASH);

export const signedPercent = (value, digits = 2) =>
  known(value) ? `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value * 100).toFixed(digits)} %` : DASH;

// Any number with four significant digits, never as 4.8e-7.
export const figure = (value) => {
  if (!known(value)) return DASH;
  const size = Math.abs(value);
  if (size !== 0 && size < 0.0001) return value > 0 ? "< 0.0001" : "> −0.0001";
  const digits = size >= 1000 || size === 0 ? 0 : Math.min(4, Math.max(0, 3 - Math.floor(Math.log10(size))));
  return written(value, 0, digits).replace("-", "−");
};

// Rounded before it is taken apart, so that no part reaches 60.
export const seconds = (value) => {
  if (!known(value)) return DASH;
  if (value < 59.95) return `${value.toFixed(1)} s`;
  const whole = Math.round(value), minutes = Math.round(whole / 60);
  return whole < 3600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

export const price = (value, tick = 0.01) => (known(value) ? value.toFixed(tick < 0.001 ? 4 : 3) : DASH);

export const shares = (value) => (!known(value) ? DASH : value > 0 && value < 0.005 ? "< 0.01" : written(value, 0, 2));

export const clock = (seconds, date = true) => {
  if (!known(seconds)) return DASH;
  const iso = new Date(seconds * 1000).toISOString();
  return date ? `${iso.slice(0, 10)} ${iso.slice(11, 16)}` : iso.slice(11, 16);
};

// Without the year: what belongs to a market lies within days.
export const moment = (seconds) => clock(seconds).slice(known(seconds) ? 5 : 0);

export const age = (seconds) => {
  if (!known(seconds)) return DASH;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
};

export const tone = (value) => (!known(value) || value === 0 ? "" : value > 0 ? "up" : "down");

// Every question of a binary market begins the same way: the name is what follows.
export const name = (question) => {
  const rest = question.replace(/^(will|does|is|are|has)\s+(the\s+)?/i, "").replace(/\?$/, "");
  return rest.charAt(0).toUpperCase() + rest.slice(1);
};

export const words = (name) => name.replaceAll("_", " ");

export const short = (text, length = 12) => (text ? (text.length > length ? `${text.slice(0, length)}…` : text) : DASH);
