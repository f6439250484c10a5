// Curves: colours of the theme, the account's equity over all bars, and spans of it.

import { money } from "./format.js";

// The colours of the page's theme, for what is drawn on a canvas: rgb(r, g, b).
export const colours = () => {
  const probe = document.body.appendChild(document.createElement("i"));
  const found = {};
  for (const name of ["up", "down", "text", "dim", "line", "blue", "violet", "warn", "panel"]) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
};

export const faded = (colour, share) => colour.replace(/^rgb\(([^)]*)\)$/, `rgba($1, ${share})`);

export const frame = (c) => ({
  layout: { background: { color: "transparent" }, textColor: c.dim, fontSize: 11, attributionLogo: false },
  grid: { vertLines: { color: faded(c.line, 0.6) }, horzLines: { color: faded(c.line, 0.6) } },
  timeScale: { borderColor: c.line },
  rightPriceScale: { borderColor: c.line, ensureEdgeTickMarksVisible: true },
});

export const newChart = (element, extra = {}) => LightweightCharts.createChart(element, {
  autoSize: true,
  ...frame(colours()),
  ...extra,
  // Without the smallest spacing a bar takes half a pixel at least, and the oldest hours leave the picture.
  timeScale: { timeVisible: true, secondsVisible: false, minBarSpacing: 0.0001, borderColor: colours().line, ...extra.timeScale },
});

// Show a span anew when the chart has another width; what the reader moves by hand stays until a span is chosen again.
export const keepInView = (element, chart, look, letGo) => {
  chart.timeScale().subscribeSizeChange(look);
  element.addEventListener("pointerdown", letGo);
  element.addEventListener("wheel", letGo, { passive: true });
};

// Milliseconds without movement until a part of a long curve is read with more points.
const LOOKS_MS = 150;

const unpack = (curve) => {
  let time = curve.start_s;
  return curve.cents.map((cents, at) => ({ time: (time += curve.step_s[at]), value: cents / 100 }));
};

// Green above the money that the account started with, red below. `span` is in seconds, 0 is everything.
// `ask(from, to)` reads a part of the curve (an answer of /api/equity): a long curve is drawn from the points that its
// picture needs, and what a reader looks at more closely is read again with more of them.
export class EquityChart {
  constructor(element, ask = null) {
    this.ask = ask;
    this.chart = newChart(element, {
      localization: { priceFormatter: (value) => money(value) },
      timeScale: { rightOffset: 4 },
      crosshair: { mode: LightweightCharts.CrosshairMode.Magnet },
    });
    this.chart.priceScale("right").applyOptions({ scaleMargins: { top: 0.12, bottom: 0.1 } });
    this.series = this.chart.addSeries(LightweightCharts.BaselineSeries, { lineWidth: 2 });
    // A bundle that decides in shadow: what the account would be with its decisions, on paper.
    this.shadow = this.chart.addSeries(LightweightCharts.LineSeries, {
      lineWidth: 1, title: "in shadow", lastValueVisible: false, priceLineVisible: false,
    });
    this.whole = [];
    this.times = [];
    this.closer = null;
    this.exact = true;
    this.span = 0;
    keepInView(element, this.chart, () => this.show(this.span), () => { this.span = null; });
    let waits = 0;
    this.chart.timeScale().subscribeVisibleLogicalRangeChange(() => {
      clearTimeout(waits);
      if (this.ask && !this.exact) waits = setTimeout(() => this.look(), LOOKS_MS);
    });
    this.paint();
    document.addEventListener("theme", () => this.paint());
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => this.paint());
  }

  paint() {
    const c = colours();
    this.chart.applyOptions(frame(c));
    this.series.applyOptions({
      topLineColor: c.up, bottomLineColor: c.down,
      topFillColor1: faded(c.up, 0.28), topFillColor2: faded(c.up, 0.02),
      bottomFillColor1: faded(c.down, 0.02), bottomFillColor2: faded(c.down, 0.28),
    });
    this.shadow.applyOptions({ color: c.violet });
  }

  inShadow(points, whole) {
    const made = points.map(([time, value]) => ({ time, value }));
    if (!made.length && !this.shadow.dataByIndex(0)) return;
    if (whole || !made.length) this.shadow.setData(made);
    else this.shadow.update(made[made.length - 1]);
  }

  startAt(money) {
    if (money === this.base) return;
    this.base = money;
    this.series.applyOptions({ baseValue: { type: "price", price: money } });
  }

  // Read the whole curve; how many bars it has.
  async load() {
    const found = await this.ask();
    const data = unpack(found);
    this.exact = data.length === found.bars;
    this.read = data.length;
    this.closer = null;
    this.draw(data);
    return found.bars;
  }

  // Read what is looked at with more points, unless it is drawn from all of them or from enough.
  async look() {
    const seen = this.chart.timeScale().getVisibleRange();
    if (!seen || this.exact) return;
    const length = seen.to - seen.from, last = this.times[this.times.length - 1];
    if (length > 0.6 * (last - this.times[0])) return;
    const c = this.closer;
    if (c && seen.from >= c.from && (seen.to <= c.to || c.newest) && (c.exact || length > (c.to - c.from) / 4)) return;
    const [from, to] = [Math.floor(seen.from - length / 2), Math.ceil(seen.to + length / 2)];
    const found = await this.ask(Math.max(0, from), to).catch(() => null);
    // The reader may have moved on while the answer came: another look follows where it does not cover what is seen now.
    const now = this.chart.timeScale().getVisibleRange();
    if (!found?.bars || !now || now.from < from || now.to > to) return;
    const points = unpack(found);
    const end = points[points.length - 1].time;
    this.closer = { from, to: Math.max(to, end), exact: points.length === found.bars, newest: end >= last };
    const rest = this.whole.filter(({ time }) => time < points[0].time || time > end);
    const at = rest.findIndex(({ time }) => time > end);
    this.put(at < 0 ? [...rest, ...points] : [...rest.slice(0, at), ...points, ...rest.slice(at)]);
    if (this.span === null) this.chart.timeScale().setVisibleRange(now); else this.show(this.span);
  }

  draw(data) {
    this.whole = data;
    this.put(data);
    this.show(this.span);
  }

  put(data) {
    this.times = data.map((point) => point.time);
    this.series.setData(data);
  }

  push([time, value]) {
    const last = this.times[this.times.length - 1] ?? -1;
    if (time < last) return;
    if (time > last) { this.times.push(time); this.whole.push({ time, value }); }
    this.series.update({ time, value });
    // Bars that came since are drawn one by one: after many of them the curve is read anew at the picture's width.
    if (this.ask && this.whole.length > 2 * this.read + 500) { this.read = Infinity; this.load().catch(() => {}); }
    this.show(this.span);
  }

  show(span) {
    this.span = span;
    if (span === null) return;
    const count = this.times.length;
    if (span === 0 || !count) { this.chart.timeScale().fitContent(); return; }
    // From the end: a span is short, the curve is not.
    let from = count - 1;
    while (from > 0 && this.times[from - 1] > this.times[count - 1] - span) from -= 1;
    this.chart.timeScale().setVisibleLogicalRange({ from, to: count + 3 });
  }

  // The market times at both edges of what is drawn, and how many points are drawn between them.
  seen() {
    const range = this.chart.timeScale().getVisibleRange();
    return range && { ...range, points: this.times.filter((time) => time >= range.from && time <= range.to).length };
  }
}
