// Curves: colours of the theme, the account's equity over all bars, and spans of it.

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
  rightPriceScale: { borderColor: c.line },
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

const thousands = (value) => value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

// Green above the money that the account started with, red below. `span` is in seconds, 0 is everything.
export class EquityChart {
  constructor(element) {
    this.chart = newChart(element, {
      localization: { priceFormatter: thousands },
      timeScale: { rightOffset: 4 },
      crosshair: { mode: LightweightCharts.CrosshairMode.Magnet },
    });
    this.chart.priceScale("right").applyOptions({ scaleMargins: { top: 0.12, bottom: 0.1 } });
    this.series = this.chart.addSeries(LightweightCharts.BaselineSeries, { lineWidth: 2 });
    // A bundle that decides in shadow: what the account would be with its decisions, on paper.
    this.shadow = this.chart.addSeries(LightweightCharts.LineSeries, {
      lineWidth: 1, title: "in shadow", lastValueVisible: false, priceLineVisible: false,
    });
    this.times = [];
    this.span = 0;
    keepInView(element, this.chart, () => this.show(this.span), () => { this.span = null; });
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
    if (whole || !made.length) this.shadow.setData(made);
    else this.shadow.update(made[made.length - 1]);
  }

  startAt(money) {
    if (money === this.base) return;
    this.base = money;
    this.series.applyOptions({ baseValue: { type: "price", price: money } });
  }

  // `curve` is the answer of /api/equity.
  replace(curve) {
    let time = curve.start_s;
    this.draw(curve.cents.map((cents, at) => ({ time: (time += curve.step_s[at]), value: cents / 100 })));
  }

  draw(data) {
    this.times = data.map((point) => point.time);
    this.series.setData(data);
    this.show(this.span);
  }

  push([time, value]) {
    const last = this.times[this.times.length - 1] ?? -1;
    if (time < last) return;
    if (time > last) this.times.push(time);
    this.series.update({ time, value });
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

  // The market times at both edges of what is drawn.
  seen() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    return range && { from: range.from, to: range.to, bars: this.times.length };
  }
}
