// One intersection: what it shows and will show, why, what is believed and how surely, sensors, history, and overrides.
import { h, timeText } from "./dom";
import { FULL, SILENT, type State } from "./frames";
import { overrideForm } from "./override";
import type { ControllerData, Plan } from "./plans";
import { about, ask, Refused } from "./service";
import type { Street } from "./street";
import { courseTable, laneTable, list, planTable, type Explanation, type Lane } from "./tables";
import { Timeline } from "./timeline";

/** What is believed of an intersection; in a recorded run also the controller's wish and what the guard bent. */
interface Found {
  lanes: Lane[];
  plan: { seq: number } | null;
  wish?: Plan;
  bent?: string[];
}

interface Sensor {
  sensor: string;
  kind: string;
  lanes: string[];
  status: string;
  fault: string | null;
  since: number;
  reason: string;
  substitute: string | null;
}

export interface Override {
  number: number;
  intersection: string;
  kind: string;
  value: unknown;
  who: string;
  why: string;
  until: number;
}

const SLOW_EVERY_MS = 5000;
const HISTORY = 12;

export class Panel {
  readonly element = h("section", { class: "panel", "aria-label": "Intersection" });
  private readonly timeline: Timeline;
  private readonly parts = {
    head: h("div", { class: "badges" }),
    plan: h("p", { class: "note" }),
    why: h("div"),
    lanes: h("div", { class: "scroll" }),
    sensors: h("div"),
    history: h("div"),
    override: h("div"),
  };
  private intersection = -1;
  private data: ControllerData | null = null;
  private plan: Plan | null = null;
  private busy = false;
  private slowAt = 0;
  private scope = "";

  constructor(
    private readonly street: Street,
    private readonly state: State,
    private readonly modes: string[],
    private readonly recorded: boolean,
    private readonly closed: () => void,
  ) {
    this.timeline = new Timeline(street, state);
  }

  get shown(): number {
    return this.intersection;
  }

  setScope(scope: string): void {
    this.scope = scope;
  }

  open(intersection: number): void {
    this.intersection = intersection;
    this.data = null;
    this.plan = null;
    this.slowAt = 0;
    const id = this.street.ids[intersection];
    const back = h("button", { class: "quiet", onclick: () => this.closed(), "aria-label": "Back to all intersections" }, "← all");
    const title = h("h2", { tabindex: -1 }, id);
    const { head, plan, why, lanes, sensors, history, override } = this.parts;
    for (const part of Object.values(this.parts)) part.replaceChildren();
    const live = !this.recorded;
    this.element.replaceChildren(
      h("header", {}, back, title),
      head,
      h("h3", {}, "Signals and plan"),
      this.timeline.canvas,
      plan,
      h("h3", {}, "Why"),
      why,
      ...(live ? [this.rejected(id)] : []),
      h("h3", {}, "Estimates"),
      lanes,
      ...(live ? [h("h3", {}, "Sensors"), sensors] : []),
      ...(live ? [h("h3", {}, "Override"), override] : []),
      h("h3", {}, live ? "Plans so far" : "Wishes bent by the guard"),
      history,
    );
    this.timeline.show(intersection);
    title.focus({ preventScroll: true });
    if (live) this.prepare(id);
    this.refresh();
  }

  close(): void {
    this.intersection = -1;
  }

  /** Bring everything up to the tick that was just told. */
  refresh(): void {
    if (this.intersection < 0) return;
    this.timeline.draw();
    this.showHead();
    if (this.busy) return;
    this.busy = true;
    const about = this.intersection;
    void this.fetch(about).finally(() => {
      this.busy = false;
      // Another one was chosen while this one's answers were on their way.
      if (about !== this.intersection) this.refresh();
    });
  }

  private async fetch(i: number): Promise<void> {
    const id = this.street.ids[i];
    const query = this.recorded ? `?time=${this.state.t}` : "";
    const found = await quiet(ask<Found>(about(id, query)));
    if (i !== this.intersection || !found) return;
    this.parts.lanes.replaceChildren(laneTable(found.lanes));
    if (found.bent) this.parts.history.replaceChildren(list(found.bent, "None so far."));
    const plan = found.wish ?? (await this.planOf(id, found.plan?.seq));
    if (i !== this.intersection) return;
    this.showPlan(plan);
    const now = performance.now();
    if (this.recorded || now - this.slowAt < SLOW_EVERY_MS) return;
    this.slowAt = now;
    const [sensors, plans, overrides] = await Promise.all([
      quiet(ask<{ sensors: Sensor[] }>("/v1/sensors")),
      quiet(ask<{ plans: Plan[] }>(about(id, `/plans?limit=${HISTORY}`))),
      quiet(ask<{ overrides: Override[] }>("/v1/overrides")),
    ]);
    if (i !== this.intersection) return;
    if (sensors) this.showSensors(sensors.sensors);
    if (plans) this.parts.history.replaceChildren(planTable(plans.plans));
    if (overrides) this.showOverride(overrides.overrides.filter((o) => o.intersection === id));
  }

  /** The plan in force; a plan never changes, so each is fetched once. */
  private async planOf(id: string, seq: number | undefined): Promise<Plan | null> {
    if (seq === undefined) return null;
    if (this.plan?.seq !== seq) this.plan = await quiet(ask<Plan>(about(id, `/plans/${seq}`)));
    return this.plan;
  }

  /** Stages, yellows and intergreens, which the timeline needs to look ahead. */
  private prepare(id: string): void {
    void quiet(ask<ControllerData>(about(id, "/data"))).then((data) => {
      if (data && this.street.ids[this.intersection] === id) this.data = data;
    });
  }

  private showHead(): void {
    const { street, state, intersection } = this;
    const number = state.places.m[intersection];
    const mode = (this.modes[number & ~SILENT] ?? "unknown").replaceAll("_", " ");
    const badges: HTMLElement[] = [];
    if (!this.recorded) {
      const kind = number & SILENT ? "bad" : number === 1 ? "good" : "odd";
      badges.push(h("span", { class: `badge ${kind}` }, number & SILENT ? `silent, was ${mode}` : mode));
    }
    const stage = stageShown(street, state, intersection);
    if (stage >= 0) badges.push(h("span", { class: "badge" }, `stage ${stage}`));
    const override = state.rest?.overrides.find(([i]) => i === intersection);
    if (override) badges.push(h("span", { class: "badge odd" }, `${override[1]} until ${timeText(override[2])}`));
    this.parts.head.replaceChildren(...badges);
  }

  private showPlan(plan: Plan | null): void {
    this.timeline.tell(plan, this.recorded ? recordedData(this.street, this.intersection) : this.data);
    if (!plan) {
      const told = this.recorded ? "Nothing was wished for at this moment." : "No plan is in force: the cabinet runs its own pattern.";
      this.parts.plan.replaceChildren(told);
      this.parts.why.replaceChildren();
      return;
    }
    const { author, seq, made_at: made, lease_until: lease } = plan;
    const kind = plan.body.schedule ? "stage schedule" : "pattern";
    this.parts.plan.replaceChildren(
      this.recorded
        ? `${author.name}'s wish at ${timeText(made)}`
        : `Plan ${seq}, a ${kind} by ${author.name}, made ${timeText(made)}, lease at first to ${timeText(lease)}`,
    );
    this.showWhy(plan);
  }

  private showWhy(plan: Plan): void {
    const reasons = plan.why.map((reason) =>
      h(
        "li",
        {},
        reason.stage === null ? "" : h("b", {}, `stage ${reason.stage}: `),
        reason.text.replace(/(\d) (?=(?:s|m|veh|vehicles)\b)/g, "$1\u00a0"), // a figure keeps its unit
        reason.constraint ? h("span", { class: "badge" }, `bound by ${reason.constraint.replaceAll("_", " ")}`) : "",
      ),
    );
    this.parts.why.replaceChildren(h("ul", { class: "reasons" }, ...reasons));
  }

  /** A button that has the present decision worked out again; what comes of it stays while plans come and go. */
  private rejected(id: string): HTMLElement {
    const into = h("div");
    const button = h("button", { onclick: () => void this.explain(id, button, into) }, "What was rejected?");
    return h("div", {}, button, into);
  }

  private async explain(id: string, button: HTMLButtonElement, into: HTMLElement): Promise<void> {
    const time = this.state.t;
    button.disabled = true;
    into.replaceChildren(h("p", { class: "note" }, "The decision is being worked out again …"));
    try {
      const told = await ask<Explanation>(`/v1/ledger/explain?intersection=${encodeURIComponent(id)}&time=${time}`);
      const note = `In force at ${timeText(time)}; waiting over the 40 s after it was made, and what serving the rest costs.`;
      const table = told.cost ? courseTable(told) : h("p", { class: "note" }, told.missing ?? "There is nothing to compare.");
      into.replaceChildren(table, h("p", { class: "note" }, note));
    } catch (error) {
      into.replaceChildren(h("p", { class: "note bad" }, error instanceof Refused ? error.message : "the service does not answer"));
    } finally {
      button.disabled = false;
    }
  }

  private showSensors(all: Sensor[]): void {
    const lanes = new Set(this.street.stopLanes[this.intersection].map((lane) => this.street.laneId[lane]));
    const mine = all.filter((sensor) => sensor.lanes.some((lane) => lanes.has(lane)));
    const sick = mine.filter((sensor) => sensor.status !== "well");
    const rows = sick.map((sensor) =>
      h(
        "li",
        {},
        h("span", { class: `badge ${sensor.status === "sick" ? "bad" : "odd"}` }, sensor.fault ?? sensor.status),
        h("b", {}, ` ${sensor.sensor} `),
        `since ${timeText(sensor.since)}: ${sensor.reason}`,
        sensor.substitute ? ` In its place: ${sensor.substitute}.` : "",
      ),
    );
    const told = mine.length ? `${mine.length - sick.length} of ${mine.length} are well.` : "No sensor looks at its stop lines.";
    this.parts.sensors.replaceChildren(h("p", { class: "note" }, told), h("ul", { class: "reasons" }, ...rows));
  }

  private showOverride(active: Override[]): void {
    const stages = this.street.stages[this.intersection].length;
    const again = () => {
      this.slowAt = 0;
      this.refresh();
    };
    const patterns = this.data?.patterns.map((p) => p.pattern) ?? [];
    // Never take a form away from somebody who is filling it in: only where something else is in force.
    const key = JSON.stringify([this.intersection, this.scope, patterns, active]);
    if (this.parts.override.dataset.key === key && this.parts.override.childElementCount) return;
    this.parts.override.dataset.key = key;
    this.parts.override.replaceChildren(
      overrideForm({ id: this.street.ids[this.intersection], active, stages, patterns, scope: this.scope, now: () => this.state.t, again }),
    );
  }
}

/** Number of the stage that all groups show, -1 in between. */
export function stageShown(street: Street, state: State, intersection: number): number {
  const aspects = street.groups[intersection].map((g) => "rygG"[state.places.g[g]]).join("");
  return street.stages[intersection].indexOf(aspects);
}

/** Longest queue on an intersection's stop-line lanes [m]. */
export function longestQueue(street: Street, state: State, intersection: number): number {
  let longest = 0;
  for (const lane of street.stopLanes[intersection]) {
    longest = Math.max(longest, (state.places.q[lane] / FULL) * street.laneLength[lane]);
  }
  return longest;
}

function recordedData(street: Street, intersection: number): ControllerData {
  const stages = street.stages[intersection].map((aspects, stage) => ({ stage, aspects }));
  return { groups: [], intergreen: [], stages, patterns: [] };
}

/** What was asked for, or null where the service has none or does not answer; the header tells of the latter. */
async function quiet<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch {
    return null;
  }
}

