// All intersections, those with the longest queues first: for choosing one without a pointer.
import { figure, h } from "./dom";
import { SILENT, type State } from "./frames";
import { longestQueue } from "./panel";
import type { Street } from "./street";

const MOST = 150;
const EVERY_MS = 2000;

export class List {
  readonly element: HTMLElement;
  private readonly rows = h("ul", { class: "rows" });
  private readonly note = h("p", { class: "note" });
  private readonly search = h("input", { type: "search", placeholder: "Find by name", "aria-label": "Find an intersection by name", oninput: () => this.fill() });
  private filledAt = 0;

  constructor(
    private readonly street: Street,
    private readonly state: State,
    private readonly modes: string[],
    private readonly recorded: boolean,
    private readonly picked: (intersection: number) => void,
  ) {
    this.element = h(
      "section",
      { class: "panel", "aria-label": "Intersections" },
      h("header", {}, h("h2", {}, "Intersections")),
      this.search,
      this.note,
      this.rows,
    );
  }

  refresh(): void {
    // Rows do not change places under somebody's hand.
    const held = this.rows.matches(":hover, :focus-within");
    if (held || performance.now() - this.filledAt < EVERY_MS) return;
    this.fill();
  }

  private fill(): void {
    this.filledAt = performance.now();
    const { street, state } = this;
    const wanted = this.search.value.trim().toLowerCase();
    const found = street.ids
      .map((id, i) => ({ id, i, queue: longestQueue(street, state, i) }))
      .filter(({ id }) => id.toLowerCase().includes(wanted))
      .sort((a, b) => b.queue - a.queue || a.i - b.i);
    const told = found.length > MOST ? `${found.length} found, those ${MOST} with the longest queues` : `${found.length} in all, the longest queue first`;
    this.note.textContent = told;
    this.rows.replaceChildren(...found.slice(0, MOST).map(({ id, i, queue }) => this.row(id, i, queue)));
  }

  private row(id: string, i: number, queue: number): HTMLElement {
    const number = this.state.places.m[i];
    const kind = this.recorded ? "" : number & SILENT ? "bad" : number === 1 ? "good" : "odd";
    const mode = (this.modes[number & ~SILENT] ?? "unknown").replaceAll("_", " ");
    const dot = h("span", { class: `dot ${kind}`, title: this.recorded ? "" : mode });
    const text = h("span", { class: "queue" }, `${figure(queue)} m`);
    const label = `${id}, ${this.recorded ? "" : mode + ", "}longest queue ${figure(queue)} metres`;
    return h("li", {}, h("button", { onclick: () => this.picked(i), "aria-label": label }, dot, h("span", { class: "name" }, id), text));
  }
}
