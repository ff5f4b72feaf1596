// The street as it was told once: geometry in metres (y points down, as on a screen), and who belongs to whom.

export interface StreetDocument {
  lanes: { id: string[]; road: number[]; length: number[]; speed: number[]; points: number[]; shape: number[] };
  roads: string[];
  intersections: { id: string[]; place: ([number, number] | null)[]; lanes: number[][] };
  movements: { from: number[]; to: number[]; turn: number[]; group: number[] };
  groups: { intersection: number[]; kind: number[] };
  stages: string[][];
  links: { origin: number[]; target: number[]; roads: number[][]; length: number[]; seconds: number[] };
}

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const DECIMETRES = 10;

export class Street {
  readonly nLanes: number;
  readonly laneId: string[];
  readonly laneRoad: Int32Array;
  /** [m], as the network says; the drawn shape may be a little shorter or longer. */
  readonly laneLength: Float32Array;
  /** CSR: points of lane l are `xy[2 * ptr[l]]` to `xy[2 * ptr[l + 1] - 1]`. */
  readonly ptr: Int32Array;
  readonly xy: Float32Array;
  /** Distance of every point to the end of its lane, along the drawn shape [m]. */
  readonly toEnd: Float32Array;
  readonly laneBox: Float32Array;
  readonly laneGroups: number[][];
  readonly laneMoves: number[][];
  readonly roads: string[];
  readonly roadLanes: number[][];
  readonly ids: string[];
  readonly index: Map<string, number>;
  readonly place: Float32Array;
  readonly stopLanes: number[][];
  readonly groups: number[][];
  readonly groupKind: number[];
  readonly groupMoves: number[][];
  readonly movements: StreetDocument["movements"];
  readonly stages: string[][];
  readonly links: StreetDocument["links"];
  readonly box: Box;

  constructor(told: StreetDocument) {
    const { lanes, intersections, movements, groups } = told;
    this.nLanes = lanes.id.length;
    this.laneId = lanes.id;
    this.laneRoad = Int32Array.from(lanes.road);
    this.laneLength = Float32Array.from(lanes.length, (dm) => dm / DECIMETRES);
    this.ptr = new Int32Array(this.nLanes + 1);
    lanes.points.forEach((n, l) => (this.ptr[l + 1] = this.ptr[l] + n));
    this.xy = shapes(lanes.shape, this.ptr);
    this.toEnd = distances(this.xy, this.ptr);
    this.laneBox = boxes(this.xy, this.ptr);
    this.roads = told.roads;
    this.roadLanes = told.roads.map(() => []);
    lanes.road.forEach((road, l) => this.roadLanes[road].push(l));
    this.ids = intersections.id;
    this.index = new Map(this.ids.map((id, i) => [id, i]));
    this.stopLanes = intersections.lanes;
    this.movements = movements;
    this.groups = this.ids.map(() => []);
    groups.intersection.forEach((i, g) => this.groups[i].push(g));
    this.groupKind = groups.kind;
    this.groupMoves = groups.intersection.map(() => []);
    this.laneGroups = lanes.id.map(() => []);
    this.laneMoves = lanes.id.map(() => []);
    movements.group.forEach((g, m) => {
      this.laneMoves[movements.from[m]].push(m);
      if (g < 0) return;
      this.groupMoves[g].push(m);
      const at = this.laneGroups[movements.from[m]];
      if (!at.includes(g)) at.push(g);
    });
    this.stages = told.stages;
    this.links = told.links;
    this.box = around(this.xy);
    this.place = this.places(intersections.place);
  }

  /** Last point of a lane and the direction in which it ends; null where it has no shape. */
  end(lane: number): [x: number, y: number, dx: number, dy: number] | null {
    const b = this.ptr[lane + 1] - 1;
    return b <= this.ptr[lane] ? null : this.directed(b, b - 1, b);
  }

  /** First point of a lane and the direction in which it begins. */
  begin(lane: number): [x: number, y: number, dx: number, dy: number] | null {
    const a = this.ptr[lane];
    return this.ptr[lane + 1] - 1 <= a ? null : this.directed(a, a, a + 1);
  }

  private directed(at: number, p: number, q: number): [number, number, number, number] {
    const { xy } = this;
    const dx = xy[2 * q] - xy[2 * p];
    const dy = xy[2 * q + 1] - xy[2 * p + 1];
    const length = Math.hypot(dx, dy) || 1;
    return [xy[2 * at], xy[2 * at + 1], dx / length, dy / length];
  }

  private places(told: ([number, number] | null)[]): Float32Array {
    const found = new Float32Array(2 * told.length);
    told.forEach((place, i) => {
      found[2 * i] = place ? place[0] / DECIMETRES : (this.box.left + this.box.right) / 2;
      found[2 * i + 1] = place ? -place[1] / DECIMETRES : (this.box.top + this.box.bottom) / 2;
    });
    return found;
  }
}

function shapes(steps: number[], ptr: Int32Array): Float32Array {
  const xy = new Float32Array(steps.length);
  for (let l = 0; l + 1 < ptr.length; l++) {
    let x = 0;
    let y = 0;
    for (let p = ptr[l]; p < ptr[l + 1]; p++) {
      x += steps[2 * p];
      y += steps[2 * p + 1];
      xy[2 * p] = x / DECIMETRES;
      xy[2 * p + 1] = -y / DECIMETRES;
    }
  }
  return xy;
}

function distances(xy: Float32Array, ptr: Int32Array): Float32Array {
  const toEnd = new Float32Array(xy.length / 2);
  for (let l = 0; l + 1 < ptr.length; l++) {
    for (let p = ptr[l + 1] - 2; p >= ptr[l]; p--) {
      toEnd[p] = toEnd[p + 1] + Math.hypot(xy[2 * p + 2] - xy[2 * p], xy[2 * p + 3] - xy[2 * p + 1]);
    }
  }
  return toEnd;
}

function boxes(xy: Float32Array, ptr: Int32Array): Float32Array {
  const found = new Float32Array(4 * (ptr.length - 1));
  for (let l = 0; l + 1 < ptr.length; l++) {
    const { left, top, right, bottom } = around(xy.subarray(2 * ptr[l], 2 * ptr[l + 1]));
    found.set([left, top, right, bottom], 4 * l);
  }
  return found;
}

function around(xy: Float32Array): Box {
  if (!xy.length) return { left: 0, top: 0, right: 1, bottom: 1 };
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (let p = 0; p < xy.length; p += 2) {
    box.left = Math.min(box.left, xy[p]);
    box.right = Math.max(box.right, xy[p]);
    box.top = Math.min(box.top, xy[p + 1]);
    box.bottom = Math.max(box.bottom, xy[p + 1]);
  }
  return box;
}
