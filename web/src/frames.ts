// What changes with every tick: read from frames, kept as arrays, and remembered for some minutes.
import type { Street } from "./street";

export interface Minute {
  t: number;
  vehicles: number;
  low: number;
  high: number;
  index: number;
  time_index: number;
  level: string;
}

export interface FrameDocument {
  t: number;
  vehicles: number;
  queue: number;
  confidence: number | null;
  alive: number | null;
  plans: number | null;
  minute: Minute | null;
  overrides: [intersection: number, kind: string, until: number][];
  ready: string[];
  whole: Partial<Record<Field, string>>;
  change: Partial<Record<Field, string>>;
}

export interface PastDocument {
  samples: [t: number, vehicles: number, queue: number][];
  minutes: Minute[];
}

/** Queue, storage taken, confidence [lanes]; aspect [groups]; mode [intersections]; delay index [roads]. */
export type Field = "q" | "v" | "c" | "g" | "m" | "x";

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
const NUMBER = new Uint8Array(128);
[...ALPHABET].forEach((letter, n) => (NUMBER[letter.charCodeAt(0)] = n));
export const FULL = 63;
/** Added to the number of a mode where the controller has not polled within its lease. */
export const SILENT = 32;
const REMEMBERED = 900;
const REMEMBERED_BYTES = 48e6;

export class State {
  t = 0;
  rest: FrameDocument | null = null;
  readonly places: Record<Field, Uint8Array>;
  readonly memory: Memory;
  /** Counts the frames that changed the roads' index, so that a picture knows when to draw them anew. */
  roadsVersion = 0;

  constructor(street: Street) {
    const lanes = () => new Uint8Array(street.nLanes);
    const places = { q: lanes(), v: lanes(), c: lanes(), g: new Uint8Array(street.groupKind.length) };
    this.places = { ...places, m: new Uint8Array(street.ids.length), x: new Uint8Array(street.roads.length) };
    this.memory = new Memory(street.nLanes, street.groupKind.length);
  }

  apply(frame: FrameDocument): void {
    this.t = frame.t;
    this.rest = frame;
    for (const [name, text] of Object.entries(frame.whole)) readWhole(text, this.places[name as Field]);
    for (const [name, text] of Object.entries(frame.change)) readChange(text, this.places[name as Field]);
    if (frame.whole.x !== undefined || frame.change.x !== undefined) this.roadsVersion++;
    this.memory.keep(frame.t, this.places.q, this.places.g);
  }
}

function readWhole(text: string, into: Uint8Array): void {
  for (let k = 0; k < text.length; k++) into[k] = NUMBER[text.charCodeAt(k)];
}

function readChange(text: string, into: Uint8Array): void {
  let at = -1;
  for (let k = 0; k < text.length; ) {
    let gap = 0;
    let shift = 0;
    let digit: number;
    do {
      digit = NUMBER[text.charCodeAt(k++)];
      gap |= (digit & 31) << shift;
      shift += 5;
    } while (digit & 32);
    at += gap + 1;
    into[at] = NUMBER[text.charCodeAt(k++)];
  }
}

/** Queues and aspects of the last minutes, for timelines and corridors. */
export class Memory {
  private times: number[] = [];
  private queues: Uint8Array[] = [];
  private aspects: Uint8Array[] = [];
  private readonly most: number;

  constructor(lanes: number, groups: number) {
    this.most = Math.max(60, Math.min(REMEMBERED, Math.floor(REMEMBERED_BYTES / (lanes + groups + 1))));
  }

  get length(): number {
    return this.times.length;
  }

  time(k: number): number {
    return this.times[k];
  }

  queue(k: number, lane: number): number {
    return this.queues[k][lane] / FULL;
  }

  aspect(k: number, group: number): number {
    return this.aspects[k][group];
  }

  /** First tick not before a time. */
  from(t: number): number {
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] < t) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  keep(t: number, queues: Uint8Array, aspects: Uint8Array): void {
    if (this.times.length && t <= this.times[this.times.length - 1]) this.forget();
    this.times.push(t);
    this.queues.push(queues.slice());
    this.aspects.push(aspects.slice());
    if (this.times.length > this.most) {
      this.times.shift();
      this.queues.shift();
      this.aspects.shift();
    }
  }

  forget(): void {
    this.times = [];
    this.queues = [];
    this.aspects = [];
  }
}
