// A recorded run: frames are fetched a stretch at a time and played by a clock that hands can move.
import { h, timeText } from "./dom";
import type { FrameDocument, PastDocument } from "./frames";
import { ask } from "./service";

const STRETCH = 120;
const SPEEDS = [1, 5, 20, 60];
const STRETCHES_KEPT = 8;
/** Stretches that are told before a moment that was leapt to. */
const BEFORE = 2;

export interface RecordDocument {
  scenario: string;
  controller: string;
  times: [begin: number, end: number, step: number];
  past: PastDocument;
}

export class Player {
  readonly element: HTMLElement;
  private readonly slider: HTMLInputElement;
  private readonly clock = h("output", { class: "clock" });
  private readonly button: HTMLButtonElement;
  private readonly begin: number;
  private readonly step: number;
  private readonly count: number;
  private readonly stretches = new Map<number, FrameDocument[]>();
  private at = -1;
  private wanted = 0;
  private speed = 5;
  private playing = false;
  private busy = false;

  constructor(
    record: RecordDocument,
    private readonly show: (frame: FrameDocument, last: boolean) => void,
    private readonly failed: (why: string) => void,
  ) {
    const [begin, end, step] = record.times;
    this.begin = begin;
    this.step = step;
    this.count = Math.floor((end - begin) / step) + 1;
    this.slider = h("input", { type: "range", min: 0, max: this.count - 1, value: 0, "aria-label": "Time of the record", oninput: () => this.seek(this.slider.valueAsNumber) });
    this.button = h("button", { class: "main", onclick: () => this.toggle() }, "Play");
    const speed = h("select", { "aria-label": "Seconds per second", onchange: () => (this.speed = Number(speed.value)) });
    speed.append(...SPEEDS.map((s) => h("option", { value: s, selected: s === this.speed }, `× ${s}`)));
    this.element = h("div", { class: "player" }, this.button, speed, this.slider, this.clock);
    this.tellClock();
    setInterval(() => this.advance(), 100);
  }

  toggle(): void {
    if (!this.playing && this.wanted >= this.count - 1) this.wanted = 0;
    this.playing = !this.playing;
    this.button.textContent = this.playing ? "Pause" : "Play";
  }

  seek(at: number): void {
    this.wanted = Math.max(0, Math.min(this.count - 1, at));
    void this.reach();
  }

  /** Begin where most is going on: an empty street tells nobody anything. */
  seekBusiest(samples: PastDocument["samples"]): void {
    const [t] = samples.reduce((a, b) => (b[1] > a[1] ? b : a), [this.begin, 0, 0]);
    this.seek(Math.round((t - this.begin) / this.step));
  }

  private advance(): void {
    if (!this.playing || this.busy) return;
    this.seek(this.wanted + (this.speed * 0.1 * 10) / this.step);
    if (this.wanted >= this.count - 1) this.toggle();
  }

  /** Show the wanted moment; every frame on the way there too where it is near, so that timelines have no gaps. */
  private async reach(): Promise<void> {
    this.tellClock();
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.at !== Math.floor(this.wanted)) {
        const goal = Math.floor(this.wanted);
        const next = this.at >= 0 && goal > this.at && goal - this.at <= STRETCH ? this.at + 1 : Math.max(0, goal - STRETCH / 2);
        const whole = next !== this.at + 1 || this.at < 0;
        await this.tell(next, whole, goal);
        this.at = next;
      }
    } catch {
      this.failed("the record is not served any more");
      if (this.playing) this.toggle();
    } finally {
      this.busy = false;
    }
  }

  private async tell(at: number, whole: boolean, goal: number): Promise<void> {
    const number = Math.floor(at / STRETCH);
    // After a leap the frames before are told too, so that timelines have a past; a stretch's first one is whole.
    for (let before = whole ? Math.max(0, number - BEFORE) : number; before < number; before++) {
      for (const frame of await this.stretch(before)) this.show(frame, false);
    }
    const frames = await this.stretch(number);
    const k = at % STRETCH;
    for (let n = whole ? 0 : k; n <= k; n++) this.show(frames[n], at === goal && n === k);
  }

  private async stretch(number: number): Promise<FrameDocument[]> {
    let frames = this.stretches.get(number);
    if (!frames) {
      const first = number * STRETCH;
      frames = await ask<FrameDocument[]>(`/v1/page/record/frames?first=${first}&count=${STRETCH}`);
      this.stretches.set(number, frames);
      if (this.stretches.size > STRETCHES_KEPT) this.stretches.delete([...this.stretches.keys()][0]);
    }
    return frames;
  }

  private tellClock(): void {
    const at = Math.floor(this.wanted);
    this.slider.value = String(at);
    this.clock.textContent = timeText(this.begin + at * this.step);
    this.slider.setAttribute("aria-valuetext", this.clock.textContent);
  }
}
