// The city over time: vehicles in network with their interval, and both congestion indices.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { h, minuteText, timeText } from "./dom";
import type { Minute, PastDocument } from "./frames";
import { onTheme, palette } from "./theme";

const FONT = "11px system-ui, sans-serif";
const MOST = 2600;
const TITLES = ["Vehicles in network [veh]", "Time over free-flow time"];

export class Charts {
  readonly element: HTMLElement;
  private samples: PastDocument["samples"] = [];
  private minutes: Minute[] = [];
  private plots: uPlot[] = [];
  private readonly boxes: HTMLElement[];
  private readonly keys = TITLES.map(() => h("span", { class: "keys" }));
  private cursor = 0;

  constructor(private readonly sampleEvery: number) {
    this.boxes = TITLES.map((title, k) => {
      const caption = h("figcaption", {}, h("b", {}, title), this.keys[k]);
      return h("figure", { class: "chart" }, caption, h("div", { class: "plot", role: "img", "aria-label": title }));
    });
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
    this.plots.forEach((plot, k) => {
      plot.redraw(false);
      this.tellKeys(plot, k);
    });
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
    const line = (label: string, stroke: string, width = 1.75): uPlot.Series => ({
      label,
      stroke,
      width,
      spanGaps: true,
      points: { show: false },
    });
    const none = "transparent";
    const series = [
      [line("in network", colours.accent), line("from", none), line("to", none), line("queued", colours.congested, 1.25)],
      [line("delay index", colours.congested), line("travel time index", colours.accent)],
    ];
    this.plots = this.boxes.map((box, k) => {
      const place = box.querySelector<HTMLElement>(".plot")!;
      const options = this.options(place, series[k], k);
      return new uPlot(options, data[k], place);
    });
  }

  private options(place: HTMLElement, series: uPlot.Series[], chart: number): uPlot.Options {
    const colours = palette();
    const banded = chart === 0;
    const axis: uPlot.Axis = {
      stroke: colours.soft,
      font: FONT,
      grid: { stroke: colours.line, width: 1 },
      ticks: { show: false },
    };
    const options: uPlot.Options = {
      width: Math.max(120, place.clientWidth),
      height: Math.max(90, place.clientHeight),
      series: [{}, ...series],
      // Times are tenths of the street's seconds, so uPlot's own calendar is of no use.
      scales: { x: { time: false }, y: { range: (_plot, low, high) => (banded ? [0, high * 1.08 || 1] : [Math.min(1, low), Math.max(2, high * 1.05)]) } },
      axes: [
        { ...axis, space: 70, incrs: [600, 1200, 3000, 6000, 9000, 18000, 36000, 72000], values: (_plot, at) => at.map(minuteText) },
        { ...axis, size: 44 },
      ],
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      legend: { show: false },
      hooks: {
        draw: [(plot) => this.drawMark(plot)],
        setCursor: [(plot) => this.tellKeys(plot, chart)],
        setData: [(plot) => this.tellKeys(plot, chart)],
      },
    };
    if (banded) options.bands = [{ series: [3, 2], fill: colours.band }];
    return options;
  }

  /** Names and figures of all lines: under the pointer, else at the marked moment of a record, else the newest. */
  private tellKeys(plot: uPlot, chart: number): void {
    const at = plot.cursor.idx ?? null;
    const times = plot.data[0];
    let last = at ?? times.length - 1;
    while (at === null && this.cursor && last >= 0 && times[last] > this.cursor) last--;
    const digits = chart === 0 ? 0 : 2;
    const figures = plot.data.slice(1).map((values) => {
      let k = last;
      while (k > 0 && values[k] == null) k--;
      return values[k]?.toFixed(digits) ?? "–";
    });
    const shown = plot.series.slice(1).map((series, k) => ({ series, text: figures[k] }));
    const parts = shown.flatMap(({ series, text }) => {
      if (series.label === "from") return [h("span", {}, `95 %: ${figures[1]} to ${figures[2]}`)];
      if (series.label === "to") return [];
      const chip = h("i", { class: "key" });
      chip.style.background = String(typeof series.stroke === "function" ? series.stroke(plot, 1) : series.stroke);
      return [h("span", {}, chip, `${String(series.label)} ${text}`)];
    });
    const time = at === null ? undefined : plot.data[0][at];
    this.keys[chart].replaceChildren(...parts, time === undefined ? "" : ` at ${timeText(time)}`);
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
