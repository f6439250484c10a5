// The equity curve: green above the money that the account started with, red below.

const UP = "#2ebd85";
const DOWN = "#f0526b";

export class EquityChart {
  constructor(element) {
    this.chart = LightweightCharts.createChart(element, {
      autoSize: true,
      layout: { background: { color: "transparent" }, textColor: "#8490a5", fontSize: 11, attributionLogo: false },
      grid: { vertLines: { color: "#161c28" }, horzLines: { color: "#161c28" } },
      // Without it a bar takes half a pixel at least, and the oldest hours of a long curve are never in the picture.
      timeScale: { timeVisible: true, secondsVisible: false, borderColor: "#1e2635", rightOffset: 4, minBarSpacing: 0.001 },
      rightPriceScale: { borderColor: "#1e2635", scaleMargins: { top: 0.12, bottom: 0.1 } },
      crosshair: { mode: LightweightCharts.CrosshairMode.Magnet },
    });
    this.series = this.chart.addSeries(LightweightCharts.BaselineSeries, {
      lineWidth: 2, topLineColor: UP, bottomLineColor: DOWN,
      topFillColor1: "rgba(46,189,133,.28)", topFillColor2: "rgba(46,189,133,.02)",
      bottomFillColor1: "rgba(240,82,107,.02)", bottomFillColor2: "rgba(240,82,107,.28)",
      priceFormat: { type: "price", precision: 2, minMove: 0.01 },
    });
    this.bars = 0;
    this.last = 0;
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
