// The map: roads by congestion, queues, lamps. From afar one line per road out of cached paths; from near every lane.
import { Camera } from "./camera";
import { brush, fitCanvas } from "./dom";
import { FarRoads, LEVELS, levelColours } from "./far";
import { FULL, SILENT, type State } from "./frames";
import { ring, stroke, way } from "./pen";
import type { Street } from "./street";
import { onTheme, palette, type Colours } from "./theme";

/** From this scale on lanes are drawn, and from the next the ways through the junctions [px/m]. */
const LANES_FROM = 0.5;
const WAYS_FROM = 1.4;
const LANE_WIDTH = 3;
const PICK_RADIUS = 26;
const EASE = 0.16;
const FRAME_MS = 1000 / 30;
const LARGEST_INDEX = 20;
/** Intersections are named on the map while no more than so many are in sight; longer names are cut. */
const NAMED_UP_TO = 60;
const NAME_LETTERS = 12;
const NAME_HIGH = 14;

export type Colouring = "index" | "fill" | "confidence";
/** Limits of the levels, as the engine has them; the first place is for what is not known. */
const LIMITS: Record<Colouring, number[]> = {
  index: [1.5, 2, 4],
  fill: [0.25, 0.5, 0.75],
  confidence: [0.25, 0.5, 0.75],
};

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
  private readonly far: FarRoads;
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
    this.far = new FarRoads(street, this.bucket, this.length, () => this.ask());
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
    if (camera.scale < LANES_FROM) {
      this.far.draw(context, colours, camera, `${this.colouring} ${this.state.t} ${this.state.roadsVersion}`);
    }
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
    const levels = levelColours(colours);
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
    this.drawNames(context, colours, spot);
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

  /** Names of the intersections in sight, where they are few; one that would lie on another is left out. */
  private drawNames(context: CanvasRenderingContext2D, colours: Colours, spot: (i: number) => [number, number]): void {
    const { street, camera } = this;
    const seen = [];
    for (let i = 0; i < street.ids.length && seen.length <= NAMED_UP_TO; i++) {
      const [x, y] = spot(i);
      if (x > 0 && y > 0 && x < camera.width && y < camera.height) seen.push(i);
    }
    if (seen.length > NAMED_UP_TO) return;
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.lineWidth = 3;
    context.strokeStyle = colours.paper;
    context.fillStyle = colours.soft;
    const off = Math.max(7, Math.min(40, 9 * camera.scale));
    const taken: [number, number, number][] = [];
    for (const i of seen) {
      if (i === this.selected || i === this.hovered) continue;
      const id = street.ids[i];
      const name = id.length > NAME_LETTERS ? `${id.slice(0, NAME_LETTERS - 1)}…` : id;
      const x = spot(i)[0] + off;
      const y = spot(i)[1] - off - 2;
      const wide = context.measureText(name).width;
      const free = taken.every(([a, b, w]) => Math.abs(b - y) >= NAME_HIGH || x > a + w || a > x + wide);
      if (!free) continue;
      taken.push([x, y, wide]);
      context.strokeText(name, x, y);
      context.fillText(name, x, y);
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
