// Time and space along a chain of links: signals, the bands of their greens, and queues, over the last minutes.
import { brush, fitCanvas, h, minuteText } from "./dom";
import type { State } from "./frames";
import type { Street } from "./street";
import { onTheme, palette } from "./theme";
import { shown } from "./timeline";

const PAST = 3600;
const AHEAD = 300;
const LEFT = 104;
const RIGHT = 12;
const TOP = 14;
const FOOT = 20;
/** Height of a line of text, and room for a time with its distance to the next [px]. */
const LINE = 12;
const TIME_WIDE = 44;

interface Stop {
  intersection: number;
  /** From the begin of the corridor [m]. */
  at: number;
  /** Signal group that lets the corridor's traffic go, -1 where none does. */
  group: number;
  /** Free travel time to the next stop [tenths]. */
  onward: number;
}

interface Road {
  lanes: number[];
  end: number;
}

/** Quickest chain of links from one intersection to another at free flow; empty where there is none. */
export function chain(street: Street, from: number, to: number): number[] {
  const { origin, target, seconds } = street.links;
  const leaving: number[][] = street.ids.map(() => []);
  origin.forEach((i, k) => leaving[i].push(k));
  const cost = new Float64Array(street.ids.length).fill(Infinity);
  const by = new Int32Array(street.ids.length).fill(-1);
  const open = new Set([from]);
  cost[from] = 0;
  while (open.size) {
    let i = -1;
    for (const other of open) if (i < 0 || cost[other] < cost[i]) i = other;
    open.delete(i);
    if (i === to) break;
    for (const k of leaving[i]) {
      const next = cost[i] + seconds[k];
      if (next >= cost[target[k]]) continue;
      cost[target[k]] = next;
      by[target[k]] = k;
      open.add(target[k]);
    }
  }
  const found: number[] = [];
  for (let i = to; i !== from; i = origin[by[i]]) {
    if (by[i] < 0) return [];
    found.unshift(by[i]);
  }
  return found;
}

export class Corridor {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { class: "corridor", role: "img", tabindex: 0 });
  private readonly note = h("p", { class: "note" });
  private stops: Stop[] = [];
  private roads: Road[] = [];
  private length = 1;

  constructor(
    private readonly street: Street,
    private readonly state: State,
  ) {
    this.element = h("div", { class: "corridor-box" }, this.note, this.canvas);
    fitCanvas(this.canvas, () => this.draw());
    onTheme(() => this.draw());
    this.explain("Choose two intersections, on the map or from the list: where the corridor begins and where it ends.");
  }

  get intersections(): number[] {
    return this.stops.map((stop) => stop.intersection);
  }

  explain(text: string): void {
    this.note.textContent = text;
  }

  clear(): void {
    this.stops = [];
    this.roads = [];
    this.draw();
  }

  /** Show the way between two intersections; tells whether there is one. */
  show(from: number, to: number): boolean {
    const { street } = this;
    const links = chain(street, from, to);
    this.clear();
    if (!links.length) {
      this.explain(`No chain of links leads from ${street.ids[from]} to ${street.ids[to]}.`);
      return false;
    }
    const { origin, target, seconds, roads } = street.links;
    let at = 0;
    links.forEach((k, n) => {
      const before = n ? roads[links[n - 1]] : null;
      const group = groupBetween(street, before?.[before.length - 1] ?? -1, roads[k][0]);
      this.stops.push({ intersection: origin[k], at, group, onward: seconds[k] * 10 });
      for (const road of roads[k]) {
        const lanes = street.roadLanes[road];
        at += Math.max(0, ...lanes.map((lane) => street.laneLength[lane]));
        this.roads.push({ lanes, end: at });
      }
    });
    const last = links[links.length - 1];
    const lastRoad = roads[last][roads[last].length - 1];
    this.stops.push({ intersection: target[last], at, group: groupBetween(street, lastRoad, -1), onward: 0 });
    this.length = at;
    const free = this.stops.reduce((sum, stop) => sum + stop.onward, 0) / 10;
    this.explain(
      `${street.ids[from]} to ${street.ids[to]}: ${Math.round(at)} m, ${Math.round(free)} s at the speed limit. ` +
        "Lines: signals of the through movement. Shades: where its greens reach at the speed limit. Below a line: its longest queue.",
    );
    this.canvas.setAttribute("aria-label", `Time and space from ${street.ids[from]} to ${street.ids[to]}`);
    this.draw();
    return true;
  }

  draw(): void {
    const { canvas, state, stops } = this;
    if (!canvas.clientWidth) return;
    const context = brush(canvas);
    const colours = palette();
    const wide = canvas.clientWidth;
    const high = canvas.clientHeight;
    context.clearRect(0, 0, wide, high);
    if (!stops.length) return;
    const x = (t: number) => LEFT + ((t - state.t + PAST) / (PAST + AHEAD)) * (wide - LEFT - RIGHT);
    const y = (metres: number) => high - FOOT - (metres / this.length) * (high - FOOT - TOP);
    this.drawAxes(context, x, y, wide, high);
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, wide - LEFT - RIGHT, high - FOOT + 4);
    context.clip();
    this.drawBands(context, x, y);
    this.drawQueues(context, x, y);
    const lamps = [colours.red, colours.yellow, colours.yields, colours.green];
    for (const { at, group } of stops) {
      if (group < 0) continue;
      for (const [begin, end, aspect] of shown(state, group, state.t - PAST)) {
        context.fillStyle = lamps[aspect];
        context.fillRect(x(begin), y(at) - 2, Math.max(0.6, x(end) - x(begin)), 4);
      }
    }
    context.fillStyle = colours.ink;
    context.fillRect(x(state.t), TOP - 8, 1.2, high - FOOT - TOP + 10);
    context.restore();
  }

  private drawAxes(
    context: CanvasRenderingContext2D,
    x: (t: number) => number,
    y: (metres: number) => number,
    wide: number,
    high: number,
  ): void {
    const colours = palette();
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    let above = Infinity;
    for (const { intersection, at } of this.stops) {
      context.fillStyle = colours.line;
      context.fillRect(LEFT, y(at), wide - LEFT - RIGHT, 1);
      const line = Math.min(y(at), above - LINE);
      if (y(at) - line >= LINE) continue; // too far from what it names
      above = line;
      context.fillStyle = colours.ink;
      context.textAlign = "right";
      context.fillText(`${this.street.ids[intersection]}`.slice(0, 10), LEFT - 44, line, LEFT - 48);
      context.fillStyle = colours.soft;
      context.fillText(`${Math.round(at)} m`, LEFT - 6, line);
    }
    context.textAlign = "center";
    const now = this.state.t;
    const step = x(600) - x(0) < TIME_WIDE ? 1200 : 600;
    for (let t = Math.ceil((now - PAST) / step) * step; t <= now + AHEAD; t += step) {
      context.fillStyle = colours.line;
      context.fillRect(x(t), TOP, 1, high - FOOT - TOP);
      context.fillStyle = colours.soft;
      if (x(t) > LEFT + 14) context.fillText(minuteText(t), x(t), high - FOOT / 2);
    }
  }

  private drawBands(context: CanvasRenderingContext2D, x: (t: number) => number, y: (metres: number) => number): void {
    context.fillStyle = palette().band;
    this.stops.forEach(({ at, group, onward }, n) => {
      const next = this.stops[n + 1];
      if (group < 0 || !next) return;
      for (const [begin, end, aspect] of shown(this.state, group, this.state.t - PAST - onward)) {
        if (aspect < 2) continue;
        context.beginPath();
        context.moveTo(x(begin), y(at));
        context.lineTo(x(end), y(at));
        context.lineTo(x(end + onward), y(next.at));
        context.lineTo(x(begin + onward), y(next.at));
        context.fill();
      }
    });
  }

  private drawQueues(context: CanvasRenderingContext2D, x: (t: number) => number, y: (metres: number) => number): void {
    const { memory, t: now } = this.state;
    context.fillStyle = palette().queue;
    context.globalAlpha = 0.62;
    for (let k = memory.from(now - PAST); k < memory.length; k++) {
      const begin = x(memory.time(k));
      const wide = x(k + 1 < memory.length ? memory.time(k + 1) : memory.time(k) + 10) - begin;
      for (const { lanes, end } of this.roads) {
        let queue = 0;
        for (const lane of lanes) queue = Math.max(queue, memory.queue(k, lane) * this.street.laneLength[lane]);
        if (queue > 2) context.fillRect(begin, y(end), wide + 0.3, y(end - queue) - y(end));
      }
    }
    context.globalAlpha = 1;
  }
}

/** Signal group of the movement from one road to another; where one of them is open (-1), of a straight one. */
function groupBetween(street: Street, from: number, to: number): number {
  const { movements, laneRoad } = street;
  let best = -1;
  let least = Infinity;
  for (let m = 0; m < movements.from.length; m++) {
    if (movements.group[m] < 0) continue;
    if (from >= 0 && laneRoad[movements.from[m]] !== from) continue;
    if (to >= 0 && laneRoad[movements.to[m]] !== to) continue;
    if (movements.turn[m] < least) [best, least] = [movements.group[m], movements.turn[m]];
  }
  return best;
}
