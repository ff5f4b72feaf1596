// What part of the street is seen, and how hands, wheels and keys move it.
import type { Box } from "./street";

const LARGEST = 24;
const STEP = 80;

export class Camera {
  /** Centre [m] and scale [px/m]. */
  x = 0;
  y = 0;
  scale = 1;
  width = 1;
  height = 1;
  private fitted = true;
  private pointers = new Map<number, [number, number]>();
  private moved = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly box: Box,
    private readonly changed: () => void,
    private readonly picked: (x: number, y: number) => void,
    private readonly hovered: (x: number, y: number) => void,
  ) {
    canvas.addEventListener("pointerdown", this.down);
    canvas.addEventListener("pointermove", this.move);
    canvas.addEventListener("pointerup", this.up);
    canvas.addEventListener("pointercancel", this.cancel);
    canvas.addEventListener("pointerleave", () => this.hovered(-1e6, -1e6));
    canvas.addEventListener("wheel", this.wheel, { passive: false });
    canvas.addEventListener("keydown", this.key);
  }

  resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    if (this.fitted) this.fit();
    this.changed();
  }

  fit(): void {
    const { left, top, right, bottom } = this.box;
    const margin = Math.min(40, this.width / 12, this.height / 12);
    this.x = (left + right) / 2;
    this.y = (top + bottom) / 2;
    const wide = (this.width - 2 * margin) / Math.max(1, right - left);
    const high = (this.height - 2 * margin) / Math.max(1, bottom - top);
    this.scale = Math.min(LARGEST / 4, wide, high);
    this.fitted = true;
    this.changed();
  }

  look(x: number, y: number, scale = Math.max(this.scale, 2.2)): void {
    Object.assign(this, { x, y, scale, fitted: false });
    this.changed();
  }

  screenX(x: number): number {
    return (x - this.x) * this.scale + this.width / 2;
  }

  screenY(y: number): number {
    return (y - this.y) * this.scale + this.height / 2;
  }

  zoom(factor: number, px = this.width / 2, py = this.height / 2): void {
    const scale = Math.min(LARGEST, Math.max(0.005, this.scale * factor));
    this.x += (px - this.width / 2) * (1 / this.scale - 1 / scale);
    this.y += (py - this.height / 2) * (1 / this.scale - 1 / scale);
    this.scale = scale;
    this.fitted = false;
    this.changed();
  }

  pan(dx: number, dy: number): void {
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.fitted = false;
    this.changed();
  }

  private at(event: MouseEvent): [number, number] {
    const { left, top } = this.canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  private readonly down = (event: PointerEvent): void => {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.at(event));
    if (this.pointers.size === 1) this.moved = 0;
  };

  private readonly move = (event: PointerEvent): void => {
    const now = this.at(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.hovered(...now);
      return;
    }
    this.pointers.set(event.pointerId, now);
    this.moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (this.moved < 4) return;
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    if (!others.length) this.pan(now[0] - before[0], now[1] - before[1]);
    else this.pinch(before, now, others[0][1]);
  };

  private pinch(before: [number, number], now: [number, number], other: [number, number]): void {
    const apart = (at: [number, number]) => Math.max(10, Math.hypot(at[0] - other[0], at[1] - other[1]));
    this.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.zoom(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }

  private readonly up = (event: PointerEvent): void => {
    const alone = this.pointers.size === 1;
    this.pointers.delete(event.pointerId);
    if (alone && this.moved < 4) this.picked(...this.at(event));
  };

  private readonly cancel = (event: PointerEvent): void => {
    this.pointers.delete(event.pointerId);
  };

  private readonly wheel = (event: WheelEvent): void => {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), ...this.at(event));
  };

  private readonly key = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts: Record<string, () => void> = {
      ArrowLeft: () => this.pan(STEP, 0),
      ArrowRight: () => this.pan(-STEP, 0),
      ArrowUp: () => this.pan(0, STEP),
      ArrowDown: () => this.pan(0, -STEP),
      "+": () => this.zoom(1.3),
      "=": () => this.zoom(1.3),
      "-": () => this.zoom(1 / 1.3),
      "0": () => this.fit(),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };
}
