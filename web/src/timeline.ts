// An intersection's signals over time: what was shown until now, and what the plan foresees.
import { brush, fitCanvas, minuteText } from "./dom";
import type { State } from "./frames";
import { foreseen, type ControllerData, type Plan } from "./plans";
import type { Street } from "./street";
import { onTheme, palette } from "./theme";

const PAST = 1200;
const AHEAD = 600;
const ROW = 15;
const LEFT = 92;
const TOP = 6;
const FOOT = 18;

/** Short words for a signal group: where it comes from and where it goes. */
export function groupLabel(street: Street, group: number): string {
  if (street.groupKind[group] === 1) return "walk";
  const turns = new Set<number>();
  let dx = 0;
  let dy = 0;
  for (const m of street.groupMoves[group]) {
    const end = street.end(street.movements.from[m]);
    if (end) [dx, dy] = [dx + end[2], dy + end[3]];
    turns.add(street.movements.turn[m]);
  }
  const names = ["W", "NW", "N", "NE", "E", "SE", "S", "SW"];
  // A lane that leads east comes from the west.
  const from = dx || dy ? names[(Math.round((Math.atan2(dy, dx) / Math.PI) * 4) + 8) % 8] : "?";
  return `${from} ${[1, 0, 2, 3].filter((turn) => turns.has(turn)).map((turn) => "↑←→↶"[turn]).join("")}`;
}

export class Timeline {
  readonly canvas = document.createElement("canvas");
  private intersection = -1;
  private plan: Plan | null = null;
  private data: ControllerData | null = null;

  constructor(
    private readonly street: Street,
    private readonly state: State,
  ) {
    this.canvas.className = "timeline";
    this.canvas.setAttribute("role", "img");
    fitCanvas(this.canvas, () => this.draw());
    onTheme(() => this.draw());
  }

  show(intersection: number): void {
    this.intersection = intersection;
    this.plan = null;
    this.data = null;
    const rows = this.street.groups[intersection].length;
    this.canvas.style.height = `${TOP + rows * ROW + FOOT}px`;
    this.canvas.setAttribute("aria-label", `Signals of ${this.street.ids[intersection]} over time`);
    this.draw();
  }

  tell(plan: Plan | null, data: ControllerData | null): void {
    this.plan = plan;
    this.data = data;
    this.draw();
  }

  draw(): void {
    const { canvas, street, state } = this;
    if (this.intersection < 0 || !canvas.clientWidth) return;
    const context = brush(canvas);
    const colours = palette();
    const wide = canvas.clientWidth;
    const high = canvas.clientHeight;
    const now = state.t;
    const x = (t: number) => LEFT + ((t - now + PAST) / (PAST + AHEAD)) * (wide - LEFT - 4);
    const lamps = [colours.red, colours.yellow, colours.yields, colours.green];
    context.clearRect(0, 0, wide, high);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    const groups = street.groups[this.intersection];
    groups.forEach((group, k) => {
      const y = TOP + k * ROW;
      context.textAlign = "left";
      context.fillStyle = colours.soft;
      context.fillText(groupLabel(street, group), 0, y + ROW / 2);
      for (const [begin, end, aspect] of shown(state, group, now - PAST)) {
        bar(context, x(begin), x(end), y, aspect, lamps[aspect]);
      }
      if (!this.plan || !this.data) return;
      context.globalAlpha = 0.5;
      for (const { begin, end, aspect } of foreseen(this.plan, this.data, k, now, now + AHEAD)) {
        bar(context, x(begin), x(end), y, aspect, lamps[aspect]);
      }
      context.globalAlpha = 1;
    });
    context.textAlign = "center";
    for (let t = Math.ceil((now - PAST) / 300) * 300; t <= now + AHEAD; t += 300) {
      context.fillStyle = colours.line;
      context.fillRect(x(t), TOP, 1, groups.length * ROW);
      context.fillStyle = colours.soft;
      if (t % 600 === 0 && Math.abs(x(t) - x(now)) > 34 && x(t) < wide - 16) context.fillText(minuteText(t), x(t), high - FOOT / 2);
    }
    context.fillStyle = colours.ink;
    context.fillRect(x(now) - 0.75, 0, 1.5, TOP + groups.length * ROW + 3);
    context.fillText("now", x(now), high - FOOT / 2);
  }
}

function bar(context: CanvasRenderingContext2D, a: number, b: number, y: number, aspect: number, colour: string): void {
  const thin = aspect === 0;
  context.fillStyle = colour;
  context.fillRect(a, thin ? y + ROW / 2 - 1 : y + 3, Math.max(0.5, b - a), thin ? 2 : ROW - 6);
}

/** What a group has shown since a time, as far as the page remembers. */
export function* shown(state: State, group: number, since: number): Generator<[number, number, number]> {
  const { memory } = state;
  let k = memory.from(since);
  while (k < memory.length) {
    const begin = memory.time(k);
    const aspect = memory.aspect(k, group);
    while (k < memory.length && memory.aspect(k, group) === aspect) k++;
    yield [begin, k < memory.length ? memory.time(k) : Math.max(begin, state.t), aspect];
  }
}
