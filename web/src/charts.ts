// The city over time: vehicles in network with their interval, and both congestion indices.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { h, minuteText, timeText } from "./dom";
import type { Minute, PastDocument } from "./frames";
import { onTheme, palette } from "./theme";

const FONT = "11px system-ui, sans-serif";
const MOST = 2600;

export class Charts {
  readonly element: HTMLElement;
  private samples: PastDocument["samples"] = [];
  private minutes: Minute[] = [];
  private plots: uPlot[] = [];
  private readonly boxes: HTMLElement[];
  private cursor = 0;

  constructor(private readonly sampleEvery: number) {
    this.boxes = ["Vehicles in network [veh]", "Congestion [ratio to free flow]"].map((title) =>
      h("figure", { class: "chart" }, h("figcaption", {}, title), h("div", { class: "plot", role: "img", "aria-label": title })),
    );
    this.element = h("div", { class: "charts" }, ...this.boxes);
    onTheme(() => this.rebuild());
    new ResizeObserver(() => this.rebuild()).observe(this.element);
  }

  past(told: PastDocument): void {
    this.samples = told.samples;
    this.minutes = told.minutes;
    this.refresh();
  }

  add(t: number, vehicles: number, queue: number, minute: Minute | null): void {
    const last = this.samples[this.samples.length - 1];
    const news = minute && this.minutes[this.minutes.length - 1]?.t !== minute.t;
    if (news) this.minutes.push(minute);
    if (!last || t - last[0] >= this.sampleEvery) this.samples.push([t, vehicles, queue]);
    else if (!news) return;
    if (this.samples.length > MOST) this.samples.shift();
    this.refresh();
  }

  /** Mark a moment, in a recorded run. */
  mark(t: number): void {
    this.cursor = t;
    for (const plot of this.plots) plot.redraw(false);
  }

  private refresh(): void {
    if (!this.plots.length) this.rebuild();
    this.data().forEach((data, k) => this.plots[k]?.setData(data));
  }

  private data(): uPlot.AlignedData[] {
    const joined = uPlot.join([
      [this.minutes.map((m) => m.t), ...(["vehicles", "low", "high"] as const).map((n) => this.minutes.map((m) => m[n]))],
      [this.samples.map((s) => s[0]), this.samples.map((s) => s[2])],
    ] as uPlot.AlignedData[]);
    const times = this.minutes.map((m) => m.t);
    return [joined, [times, this.minutes.map((m) => m.index), this.minutes.map((m) => m.time_index)]];
  }

  private rebuild(): void {
    for (const plot of this.plots) plot.destroy();
    const colours = palette();
    const data = this.data();
    const line = (label: string, stroke: string, digits: number, more: Partial<uPlot.Series> = {}): uPlot.Series => ({
      label,
      stroke,
      width: 1.75,
      spanGaps: true,
      points: { show: false },
      value: (_plot, value: number | null) => value?.toFixed(digits) ?? "–",
      ...more,
    });
    const none = "transparent";
    const series = [
      [
        line("in network", colours.accent, 0),
        line("95 % from", none, 0),
        line("to", none, 0),
        line("queued", colours.congested, 0, { width: 1.25 }),
      ],
      [line("delay index", colours.congested, 2), line("travel time index", colours.accent, 2)],
    ];
    this.plots = this.boxes.map((box, k) => {
      const place = box.querySelector<HTMLElement>(".plot")!;
      const options = this.options(place, series[k], k === 0);
      return new uPlot(options, data[k], place);
    });
  }

  private options(place: HTMLElement, series: uPlot.Series[], banded: boolean): uPlot.Options {
    const colours = palette();
    const axis: uPlot.Axis = {
      stroke: colours.soft,
      font: FONT,
      grid: { stroke: colours.line, width: 1 },
      ticks: { show: false },
    };
    const options: uPlot.Options = {
      width: Math.max(120, place.clientWidth),
      height: Math.max(90, place.clientHeight - 24),
      series: [{ label: "time", value: (_plot, t: number | null) => (t === null ? "–" : timeText(t)) }, ...series],
      // Times are tenths of the street's seconds, so uPlot's own calendar is of no use.
      scales: { x: { time: false }, y: { range: (_plot, low, high) => (banded ? [0, high * 1.08 || 1] : [Math.min(1, low), Math.max(2, high * 1.05)]) } },
      axes: [
        { ...axis, space: 70, incrs: [600, 1200, 3000, 6000, 9000, 18000, 36000, 72000], values: (_plot, at) => at.map(minuteText) },
        { ...axis, size: 44 },
      ],
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      legend: { live: true },
      hooks: { draw: [(plot) => this.drawMark(plot)] },
    };
    if (banded) options.bands = [{ series: [3, 2], fill: colours.band }];
    return options;
  }

  private drawMark(plot: uPlot): void {
    if (!this.cursor) return;
    const { ctx, bbox } = plot;
    const x = plot.valToPos(this.cursor, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) return;
    ctx.save();
    ctx.strokeStyle = palette().ink;
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  }
}
