// The map: roads by congestion, queues, lamps. From afar one line per road out of cached paths; from near every lane.
import { Camera } from "./camera";
import { brush, fitCanvas } from "./dom";
import { FULL, SILENT, type State } from "./frames";
import type { Street } from "./street";
import { onTheme, palette, theme, type Colours } from "./theme";

/** From this scale on lanes are drawn, and from the next the ways through the junctions [px/m]. */
const LANES_FROM = 0.5;
const WAYS_FROM = 1.9;
const LANE_WIDTH = 3;
const PICK_RADIUS = 26;
const EASE = 0.16;
const FRAME_MS = 1000 / 30;
const LARGEST_INDEX = 20;
/** So much beyond every edge is painted of the roads from afar, as a share of width and height. */
const MARGIN = 0.25;
const SETTLED_MS = 250;

export type Colouring = "index" | "fill" | "confidence";
/** Limits of the levels, as the engine has them; the first place is for what is not known. */
const LIMITS: Record<Colouring, number[]> = {
  index: [1.5, 2, 4],
  fill: [0.25, 0.5, 0.75],
  confidence: [0.25, 0.5, 0.75],
};
const LEVELS = 4;

export class MapView {
  readonly canvas: HTMLCanvasElement;
  readonly camera: Camera;
  colouring: Colouring = "index";
  selected = -1;
  hovered = -1;
  corridor: number[] = [];
  frames = 0;
  private readonly length: Float32Array;
  private readonly bucket: Uint8Array;
  private readonly middle: Int32Array;
  private paths: (Path2D | null)[] = [];
  private pathsOf = "";
  private readonly layer = { canvas: document.createElement("canvas"), of: "", x: 0, y: 0, scale: 1, painted: 0 };
  private settling = 0;
  private drawn = 0;
  private asked = false;

  constructor(
    canvas: HTMLCanvasElement,
    private readonly street: Street,
    private readonly state: State,
    private readonly picked: (intersection: number) => void,
  ) {
    this.canvas = canvas;
    this.length = new Float32Array(street.nLanes);
    this.bucket = new Uint8Array(street.roads.length);
    this.middle = Int32Array.from(street.roadLanes, (lanes) => lanes[lanes.length >> 1] ?? -1);
    const pick = (x: number, y: number) => this.picked(this.near(x, y));
    this.camera = new Camera(canvas, street.box, () => this.ask(), pick, (x, y) => this.hover(x, y));
    fitCanvas(canvas, (width, height) => this.camera.resize(width, height));
    onTheme(() => this.ask());
  }

  /** Have the map drawn anew soon. */
  ask(): void {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(this.tick);
  }

  private readonly tick = (now: number): void => {
    this.asked = false;
    if (now - this.drawn < FRAME_MS - 4) {
      this.ask();
      return;
    }
    this.drawn = now;
    const moving = this.ease();
    this.draw();
    if (moving) this.ask();
  };

  /** Let queues grow and shrink towards what was told last; tells whether they still move. */
  private ease(): boolean {
    const { q } = this.state.places;
    const { length, street } = this;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches || this.camera.scale < LANES_FROM;
    let moving = false;
    for (let l = 0; l < length.length; l++) {
      const wanted = (q[l] / FULL) * street.laneLength[l];
      const rest = wanted - length[l];
      if (still || Math.abs(rest) < 0.4) length[l] = wanted;
      else {
        length[l] += rest * EASE;
        moving = true;
      }
    }
    return moving;
  }

  draw(): void {
    const { camera, canvas } = this;
    const colours = palette();
    const context = brush(canvas);
    canvas.dataset.frames = String(++this.frames);
    context.fillStyle = colours.paper;
    context.fillRect(0, 0, camera.width, camera.height);
    this.sort();
    if (camera.scale < LANES_FROM) this.drawRoads(context, colours);
    else {
      context.save();
      context.translate(camera.width / 2, camera.height / 2);
      context.scale(camera.scale, camera.scale);
      context.translate(-camera.x, -camera.y);
      context.lineJoin = "round";
      this.drawLanes(context, colours);
      context.restore();
    }
    this.drawMarks(context, colours);
  }

  /** Put every road into its level, 0 for unknown. */
  private sort(): void {
    const { street, state, bucket, colouring } = this;
    const limits = LIMITS[colouring];
    const { x, v, c } = state.places;
    for (let road = 0; road < bucket.length; road++) {
      let value: number;
      if (colouring === "index") {
        if (!x[road]) {
          bucket[road] = 0;
          continue;
        }
        value = LARGEST_INDEX ** ((x[road] - 1) / (FULL - 1));
      } else {
        const places = colouring === "fill" ? v : c;
        let sum = 0;
        const lanes = street.roadLanes[road];
        for (const lane of lanes) sum += places[lane];
        value = sum / Math.max(1, lanes.length) / FULL;
        if (colouring === "confidence") value = 1 - value;
      }
      bucket[road] = 1 + (value >= limits[0] ? 1 : 0) + (value >= limits[1] ? 1 : 0) + (value >= limits[2] ? 1 : 0);
    }
  }

  private levels(colours: Colours): string[] {
    return [colours.unknown, colours.smooth, colours.slow, colours.congested, colours.severe];
  }

  /** From afar: the roads as they were painted last, as long as that will do. */
  private drawRoads(context: CanvasRenderingContext2D, colours: Colours): void {
    const { camera, layer } = this;
    this.refreshPaths();
    const now = performance.now();
    const near = Math.abs(camera.x - layer.x) * layer.scale < camera.width * MARGIN;
    const inside = near && Math.abs(camera.y - layer.y) * layer.scale < camera.height * MARGIN;
    const same = layer.of === `${this.pathsOf} ${theme()} ${camera.width} ${camera.height} ${devicePixelRatio}`;
    if (!same || (!(inside && layer.scale === camera.scale) && now - layer.painted > SETTLED_MS)) this.paint(colours, now);
    else if (!inside || layer.scale !== camera.scale) this.settle();
    const zoom = camera.scale / layer.scale;
    const wide = camera.width * (1 + 2 * MARGIN) * zoom;
    const high = camera.height * (1 + 2 * MARGIN) * zoom;
    context.drawImage(layer.canvas, camera.screenX(layer.x) - wide / 2, camera.screenY(layer.y) - high / 2, wide, high);
  }

  /** Have the roads painted anew when the map has come to rest, or after a while on the way. */
  private settle(): void {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.ask(), SETTLED_MS + 20);
  }

  /** Paint the roads, and what lies a little beyond the edges, to be moved about. */
  private paint(colours: Colours, now: number): void {
    const { camera, layer } = this;
    const { scale } = camera;
    const wide = camera.width * (1 + 2 * MARGIN);
    const high = camera.height * (1 + 2 * MARGIN);
    layer.canvas.width = Math.ceil(wide * devicePixelRatio);
    layer.canvas.height = Math.ceil(high * devicePixelRatio);
    const context = brush(layer.canvas);
    Object.assign(layer, { x: camera.x, y: camera.y, scale, painted: now });
    layer.of = `${this.pathsOf} ${theme()} ${camera.width} ${camera.height} ${devicePixelRatio}`;
    context.translate(wide / 2, high / 2);
    context.scale(scale, scale);
    context.translate(-camera.x, -camera.y);
    context.lineJoin = "bevel";
    const width = Math.max(1.1, Math.min(4, scale * 10)) / scale;
    this.levels(colours).forEach((colour, level) => {
      const path = this.paths[level];
      if (!path) return;
      context.strokeStyle = colour;
      context.lineWidth = level > 1 ? width * 1.25 : width;
      context.stroke(path);
    });
    const queues = this.paths[LEVELS + 1];
    if (queues) {
      context.strokeStyle = colours.queue;
      context.lineWidth = width * 0.6;
      context.stroke(queues);
    }
  }

  /** Roads by level and all queues as paths in metres; made anew only when a frame has changed them. */
  private refreshPaths(): void {
    const { state, street, bucket, middle } = this;
    const key = `${this.colouring} ${state.t} ${state.roadsVersion}`;
    if (key === this.pathsOf) return;
    this.pathsOf = key;
    this.paths = new Array<Path2D | null>(LEVELS + 2).fill(null);
    for (let road = 0; road < bucket.length; road++) {
      if (middle[road] >= 0) trace((this.paths[bucket[road]] ??= new Path2D()), street, middle[road], Infinity);
    }
    const queues = new Path2D();
    for (let road = 0; road < bucket.length; road++) {
      let longest = 0;
      for (const lane of street.roadLanes[road]) longest = Math.max(longest, this.length[lane]);
      if (longest > 4) trace(queues, street, middle[road], longest);
    }
    this.paths[LEVELS + 1] = queues;
  }

  /** All ways through the junctions in sight, as one grey floor under the lamps. */
  private drawFloor(context: CanvasRenderingContext2D, seen: number[]): void {
    const { street } = this;
    context.beginPath();
    for (const lane of seen) for (const m of street.laneMoves[lane]) way(context, street, m);
    context.stroke();
  }

  private drawLanes(context: CanvasRenderingContext2D, colours: Colours): void {
    const { street, camera, bucket, length, state } = this;
    const seen = this.seen();
    const width = Math.max(LANE_WIDTH, 2.4 / camera.scale);
    context.lineCap = "butt";
    context.lineWidth = width + 1.2;
    context.strokeStyle = colours.road;
    this.drawFloor(context, seen);
    stroke(context, street, seen, () => Infinity);
    const levels = this.levels(colours);
    context.lineWidth = width * 0.86;
    for (let level = 0; level <= LEVELS; level++) {
      context.strokeStyle = levels[level];
      const lanes = seen.filter((lane) => bucket[street.laneRoad[lane]] === level);
      if (lanes.length) stroke(context, street, lanes, () => Infinity);
    }
    const { c } = state.places;
    context.strokeStyle = colours.queue;
    context.lineWidth = width * 0.5;
    for (const sure of [false, true]) {
      context.globalAlpha = sure ? 0.95 : 0.5;
      const lanes = seen.filter((lane) => length[lane] > 1 && c[lane] * 2 >= FULL === sure);
      stroke(context, street, lanes, (lane) => length[lane]);
    }
    context.globalAlpha = 1;
    if (camera.scale >= WAYS_FROM) this.drawWays(context, colours, seen);
    this.drawLamps(context, colours, seen);
  }

  /** Lanes whose boxes reach into the picture. */
  private seen(): number[] {
    const { street, camera } = this;
    const wide = camera.width / 2 / camera.scale + 5;
    const high = camera.height / 2 / camera.scale + 5;
    const found: number[] = [];
    const { laneBox } = street;
    for (let l = 0; l < street.nLanes; l++) {
      if (
        laneBox[4 * l] < camera.x + wide &&
        laneBox[4 * l + 2] > camera.x - wide &&
        laneBox[4 * l + 1] < camera.y + high &&
        laneBox[4 * l + 3] > camera.y - high
      ) {
        found.push(l);
      }
    }
    return found;
  }

  /** Green ways through the junctions: whole lines with right of way, broken ones where they yield. */
  private drawWays(context: CanvasRenderingContext2D, colours: Colours, seen: number[]): void {
    const { street, state } = this;
    const { group } = street.movements;
    const lamps = [colours.red, colours.yellow, colours.yields, colours.green];
    context.lineCap = "round";
    context.lineWidth = 0.8;
    context.globalAlpha = 0.8;
    for (const aspect of [1, 2, 3]) {
      context.beginPath();
      for (const lane of seen) {
        for (const m of street.laneMoves[lane]) {
          if (group[m] >= 0 && state.places.g[group[m]] === aspect) way(context, street, m);
        }
      }
      context.setLineDash(aspect === 2 ? [1.5, 2.2] : []);
      context.strokeStyle = lamps[aspect];
      context.stroke();
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** A bar across every stop line, in as many parts as the lane has signal groups. */
  private drawLamps(context: CanvasRenderingContext2D, colours: Colours, seen: number[]): void {
    const { street, state, camera } = this;
    const lamps = [colours.red, colours.yellow, colours.yields, colours.green];
    const half = Math.max(LANE_WIDTH, 3.2 / camera.scale) / 2;
    context.lineCap = "butt";
    context.lineWidth = Math.max(1.8, 5 / camera.scale);
    for (let aspect = 0; aspect < lamps.length; aspect++) {
      context.beginPath();
      for (const lane of seen) {
        const groups = street.laneGroups[lane];
        const end = groups.length ? street.end(lane) : null;
        if (!end) continue;
        const [x, y, dx, dy] = end;
        for (let k = 0; k < groups.length; k++) {
          if (state.places.g[groups[k]] !== aspect) continue;
          const a = half * ((2 * k) / groups.length - 1);
          const b = half * ((2 * k + 2) / groups.length - 1);
          context.moveTo(x - dy * a, y + dx * a);
          context.lineTo(x - dy * b, y + dx * b);
        }
      }
      context.strokeStyle = lamps[aspect];
      context.stroke();
    }
  }

  /** Intersections: what their cabinets do, which are overridden, which one is chosen. In pixels. */
  private drawMarks(context: CanvasRenderingContext2D, colours: Colours): void {
    const { street, camera, state, corridor } = this;
    const spot = (i: number): [number, number] => [
      camera.screenX(street.place[2 * i]),
      camera.screenY(street.place[2 * i + 1]),
    ];
    if (camera.scale < LANES_FROM) this.drawDots(context, colours, spot);
    if (corridor.length > 1) {
      context.strokeStyle = colours.accent;
      context.lineWidth = 3;
      context.globalAlpha = 0.55;
      context.beginPath();
      for (const i of corridor) context.lineTo(...spot(i));
      context.stroke();
      context.globalAlpha = 1;
    }
    const overridden = new Set(state.rest?.overrides.map(([i]) => i) ?? []);
    for (const i of overridden) ring(context, spot(i), this.radius() + 4, colours.pattern, 2, [3, 3]);
    for (const i of corridor) ring(context, spot(i), 5, colours.accent, 2);
    if (this.hovered >= 0) this.label(context, colours, this.hovered, spot(this.hovered));
    if (this.selected >= 0) {
      ring(context, spot(this.selected), this.radius(), colours.accent, 2.5);
      this.label(context, colours, this.selected, spot(this.selected));
    }
  }

  private radius(): number {
    return Math.min(90, Math.max(9, 16 * this.camera.scale));
  }

  private drawDots(
    context: CanvasRenderingContext2D,
    colours: Colours,
    spot: (i: number) => [number, number],
  ): void {
    const { street, state, camera } = this;
    const { m } = state.places;
    const size = Math.max(1.8, Math.min(4, camera.scale * 14));
    const kinds = [colours.soft, colours.green, colours.pattern, colours.silent];
    kinds.forEach((colour, kind) => {
      context.beginPath();
      for (let i = 0; i < street.ids.length; i++) {
        const found = m[i] & SILENT ? 3 : m[i] === 0 ? 0 : m[i] === 1 ? 1 : 2;
        if (found !== kind) continue;
        const [x, y] = spot(i);
        if (x < -9 || y < -9 || x > camera.width + 9 || y > camera.height + 9) continue;
        context.rect(x - size, y - size, 2 * size, 2 * size);
      }
      context.fillStyle = colour;
      context.fill();
    });
  }

  private label(context: CanvasRenderingContext2D, colours: Colours, i: number, [x, y]: [number, number]): void {
    const text = this.street.ids[i];
    context.font = "600 12px system-ui, sans-serif";
    const wide = Math.min(260, context.measureText(text).width) + 14;
    const top = y - this.radius() - 26;
    context.fillStyle = colours.panel;
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.beginPath();
    context.roundRect(x - wide / 2, top, wide, 20, 5);
    context.fill();
    context.stroke();
    context.fillStyle = colours.ink;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(text, x, top + 10.5, 260);
  }

  private near(x: number, y: number): number {
    const { street, camera } = this;
    let best = -1;
    let least = Math.max(PICK_RADIUS, this.radius());
    for (let i = 0; i < street.ids.length; i++) {
      const away = Math.hypot(camera.screenX(street.place[2 * i]) - x, camera.screenY(street.place[2 * i + 1]) - y);
      if (away < least) [best, least] = [i, away];
    }
    return best;
  }

  private hover(x: number, y: number): void {
    const found = this.near(x, y);
    if (found === this.hovered) return;
    this.hovered = found;
    this.canvas.classList.toggle("pointing", found >= 0);
    this.ask();
  }
}

/** The way of a movement through its junction, as a curve that leaves and enters along the lanes. */
function way(context: CanvasRenderingContext2D, street: Street, movement: number): void {
  const a = street.end(street.movements.from[movement]);
  const b = street.begin(street.movements.to[movement]);
  if (!a || !b) return;
  const reach = Math.hypot(b[0] - a[0], b[1] - a[1]) / 2.2;
  context.moveTo(a[0], a[1]);
  context.bezierCurveTo(
    a[0] + a[2] * reach, a[1] + a[3] * reach, b[0] - b[2] * reach, b[1] - b[3] * reach, b[0], b[1],
  );
}

interface Pen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
}

/** Trace the last metres of a lane, from its end backwards. */
function trace(pen: Pen, street: Street, lane: number, metres: number): void {
  const { ptr, xy, toEnd } = street;
  const a = ptr[lane];
  let p = ptr[lane + 1] - 1;
  if (p <= a) return;
  pen.moveTo(xy[2 * p], xy[2 * p + 1]);
  for (p--; p >= a; p--) {
    if (toEnd[p] <= metres) {
      pen.lineTo(xy[2 * p], xy[2 * p + 1]);
      continue;
    }
    const part = (metres - toEnd[p + 1]) / (toEnd[p] - toEnd[p + 1]);
    pen.lineTo(
      xy[2 * p + 2] + part * (xy[2 * p] - xy[2 * p + 2]),
      xy[2 * p + 3] + part * (xy[2 * p + 1] - xy[2 * p + 3]),
    );
    return;
  }
}

function stroke(
  context: CanvasRenderingContext2D,
  street: Street,
  lanes: number[],
  metres: (lane: number) => number,
): void {
  context.beginPath();
  for (const lane of lanes) trace(context, street, lane, metres(lane));
  context.stroke();
}

function ring(
  context: CanvasRenderingContext2D,
  [x, y]: [number, number],
  radius: number,
  colour: string,
  width: number,
  dash: number[] = [],
): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.setLineDash(dash);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
  context.setLineDash([]);
}
