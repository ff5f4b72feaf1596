// Tables and lists of an intersection's panel.
import { figure, h, timeText } from "./dom";
import type { Plan } from "./plans";

export interface Lane {
  lane: string;
  vehicles: number;
  queue: number;
  back_of_queue_m: number;
  flow: number;
  confidence: number;
  age_s: number | null;
}

export interface Explanation {
  cost: Option | null;
  rejected: Option | null;
  pattern: Option | null;
  missing: string | null;
  constraint: string | null;
}

interface Option {
  name: string;
  cost_tenths: number;
}

export function laneTable(lanes: Lane[]): HTMLElement {
  const rows = lanes.map((lane) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, lane.lane),
      h("td", {}, figure(lane.vehicles, 1)),
      h("td", {}, figure(lane.queue, 1)),
      h("td", {}, figure(lane.back_of_queue_m)),
      h("td", {}, figure(lane.flow * 3600)),
      h("td", {}, sureness(lane.confidence)),
      h("td", {}, lane.age_s === null ? "never" : figure(lane.age_s)),
    ),
  );
  const heads = ["lane", "veh", "queued", "back [m]", "flow [veh/h]", "confidence", "age [s]"];
  const head = h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text))));
  return h("table", { class: "figures" }, head, h("tbody", {}, ...rows));
}

function sureness(confidence: number): HTMLElement {
  const level = h("b");
  level.style.width = `${Math.round(100 * confidence)}%`;
  return h("span", { class: "sure" }, h("i", {}, level), `${Math.round(100 * confidence)} %`);
}

export function planTable(plans: Plan[]): HTMLElement {
  if (!plans.length) return h("p", { class: "note" }, "None yet.");
  const rows = plans.map((plan) => {
    const stages = plan.body.schedule?.stages.map((s) => s.stage).join(" → ") ?? "pattern";
    return h("tr", {}, h("th", { scope: "row" }, String(plan.seq)), h("td", {}, timeText(plan.made_at)), h("td", {}, stages), h("td", {}, plan.author.name));
  });
  const head = h("thead", {}, h("tr", {}, ...["plan", "made", "stages", "by"].map((text) => h("th", { scope: "col" }, text))));
  return h("table", { class: "figures" }, head, h("tbody", {}, ...rows));
}

export function list(lines: string[], empty: string): HTMLElement {
  return lines.length ? h("ul", { class: "reasons" }, ...lines.map((line) => h("li", {}, line))) : h("p", { class: "note" }, empty);
}

/** The course chosen beside the best other one and the fixed pattern. */
export function courseTable(told: Explanation): HTMLElement {
  const row = (label: string, option: Option | null) =>
    h("tr", {}, h("th", {}, label), h("td", {}, option?.name ?? "none"), h("td", {}, option ? figure(option.cost_tenths / 10, 1) : ""));
  const head = h("tr", {}, h("th", {}, "course"), h("th", {}, "stages"), h("th", {}, "waiting [veh s]"));
  const body = [row("chosen", told.cost), row("best other", told.rejected), row("fixed", told.pattern)];
  return h("table", { class: "figures" }, h("thead", {}, head), h("tbody", {}, ...body));
}
