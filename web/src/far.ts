// The roads from afar: one path per level out of a line per road, painted once per tick and moved about in between.
import type { Camera } from "./camera";
import { brush } from "./dom";
import { trace } from "./pen";
import type { Street } from "./street";
import { theme, type Colours } from "./theme";

/** Levels of congestion; 0 stands for what is not known. */
export const LEVELS = 4;
/** So much beyond every edge is painted, as a share of width and height. */
const MARGIN = 0.25;
const SETTLED_MS = 250;

export function levelColours(colours: Colours): string[] {
  return [colours.unknown, colours.smooth, colours.slow, colours.congested, colours.severe];
}

export class FarRoads {
  private readonly middle: Int32Array;
  private paths: (Path2D | null)[] = [];
  private pathsOf = "";
  private readonly layer = { canvas: document.createElement("canvas"), of: "", x: 0, y: 0, scale: 1, painted: 0 };
  private settling = 0;

  constructor(
    private readonly street: Street,
    /** Level of every road. */
    private readonly bucket: Uint8Array,
    /** Queue of every lane [m]. */
    private readonly length: Float32Array,
    private readonly again: () => void,
  ) {
    this.middle = Int32Array.from(street.roadLanes, (lanes) => lanes[lanes.length >> 1] ?? -1);
  }

  /** From afar: the roads as they were painted last, as long as that will do. */
  draw(context: CanvasRenderingContext2D, colours: Colours, camera: Camera, key: string): void {
    const { layer } = this;
    this.refreshPaths(key);
    const now = performance.now();
    const near = Math.abs(camera.x - layer.x) * layer.scale < camera.width * MARGIN;
    const inside = near && Math.abs(camera.y - layer.y) * layer.scale < camera.height * MARGIN;
    const same = layer.of === `${this.pathsOf} ${theme()} ${camera.width} ${camera.height} ${devicePixelRatio}`;
    if (!same || (!(inside && layer.scale === camera.scale) && now - layer.painted > SETTLED_MS)) this.paint(colours, camera, now);
    else if (!inside || layer.scale !== camera.scale) this.settle();
    const zoom = camera.scale / layer.scale;
    const wide = camera.width * (1 + 2 * MARGIN) * zoom;
    const high = camera.height * (1 + 2 * MARGIN) * zoom;
    context.drawImage(layer.canvas, camera.screenX(layer.x) - wide / 2, camera.screenY(layer.y) - high / 2, wide, high);
  }

  /** Have the roads painted anew when the map has come to rest, or after a while on the way. */
  private settle(): void {
    clearTimeout(this.settling);
    this.settling = setTimeout(this.again, SETTLED_MS + 20);
  }

  /** Paint the roads, and what lies a little beyond the edges, to be moved about. */
  private paint(colours: Colours, camera: Camera, now: number): void {
    const { layer } = this;
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
    levelColours(colours).forEach((colour, level) => {
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
  private refreshPaths(key: string): void {
    const { street, bucket, middle } = this;
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
}
