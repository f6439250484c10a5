// The equity curve: green above the money that the account started with, red below.

// The colours of the page's theme, for what is drawn on a canvas.
export const colours = () => {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(["up", "down", "text", "dim", "line", "blue", "violet"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
};

const faded = (colour, share) => `${colour}${Math.round(255 * share).toString(16).padStart(2, "0")}`;

export class EquityChart {
  constructor(element) {
    const c = colours();
    this.chart = LightweightCharts.createChart(element, {
      autoSize: true,
      layout: { background: { color: "transparent" }, textColor: c.dim, fontSize: 11, attributionLogo: false },
      grid: { vertLines: { color: faded(c.line, 0.6) }, horzLines: { color: faded(c.line, 0.6) } },
      // Without it a bar takes half a pixel at least, and the oldest hours of a long curve are never in the picture.
      timeScale: { timeVisible: true, secondsVisible: false, borderColor: c.line, rightOffset: 4, minBarSpacing: 0.001 },
      rightPriceScale: { borderColor: c.line, scaleMargins: { top: 0.12, bottom: 0.1 } },
      crosshair: { mode: LightweightCharts.CrosshairMode.Magnet },
    });
    this.series = this.chart.addSeries(LightweightCharts.BaselineSeries, {
      lineWidth: 2, topLineColor: c.up, bottomLineColor: c.down,
      topFillColor1: faded(c.up, 0.28), topFillColor2: faded(c.up, 0.02),
      bottomFillColor1: faded(c.down, 0.02), bottomFillColor2: faded(c.down, 0.28),
      priceFormat: { type: "price", precision: 2, minMove: 0.01 },
    });
    // A bundle that decides in shadow: what the account would be with its decisions, on paper.
    this.shadow = this.chart.addSeries(LightweightCharts.LineSeries, {
      color: "#b48cff", lineWidth: 1, title: "in shadow", lastValueVisible: false, priceLineVisible: false,
    });
    this.bars = 0;
    this.last = 0;
  }

  inShadow(points, whole) {
    const made = points.map(([time, value]) => ({ time, value }));
    if (whole || !made.length) this.shadow.setData(made);
    else this.shadow.update(made[made.length - 1]);
  }

  replace(points, start) {
    this.series.applyOptions({ baseValue: { type: "price", price: start } });
    this.series.setData(points.map(([time, value]) => ({ time, value })));
    this.count = points.length;
    this.last = points.length ? points[points.length - 1][0] : 0;
    this.show(this.bars);
  }

  push([time, value]) {
    if (time < this.last) return;
    this.count += time > this.last ? 1 : 0;
    this.last = time;
    this.series.update({ time, value });
    if (this.bars === 0) this.chart.timeScale().fitContent();
  }

  show(bars) {
    this.bars = bars;
    if (bars === 0) this.chart.timeScale().fitContent();
    else this.chart.timeScale().setVisibleLogicalRange({ from: this.count - bars, to: this.count + 3 });
  }
}
