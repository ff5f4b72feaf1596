// Strokes that maps are made of: lanes or the last metres of them, ways through junctions, rings.
import type { Street } from "./street";

/** The way of a movement through its junction, as a curve that leaves and enters along the lanes. */
export function way(context: CanvasRenderingContext2D, street: Street, movement: number): void {
  const a = street.end(street.movements.from[movement]);
  const b = street.begin(street.movements.to[movement]);
  if (!a || !b) return;
  const reach = Math.hypot(b[0] - a[0], b[1] - a[1]) / 2.2;
  context.moveTo(a[0], a[1]);
  context.bezierCurveTo(
    a[0] + a[2] * reach, a[1] + a[3] * reach, b[0] - b[2] * reach, b[1] - b[3] * reach, b[0], b[1],
  );
}

export interface Pen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
}

/** Trace the last metres of a lane, from its end backwards. */
export function trace(pen: Pen, street: Street, lane: number, metres: number): void {
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

export function stroke(
  context: CanvasRenderingContext2D,
  street: Street,
  lanes: number[],
  metres: (lane: number) => number,
): void {
  context.beginPath();
  for (const lane of lanes) trace(context, street, lane, metres(lane));
  context.stroke();
}

export function ring(
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
