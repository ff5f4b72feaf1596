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
  private filledAt = -EVERY_MS;
  private later: number | undefined;
  private told: { i: number; row: HTMLElement }[] = [];

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
    const early = this.filledAt + EVERY_MS - performance.now();
    if (early > 0) {
      // A record that stands still sends no next frame to catch up with.
      this.later ??= window.setTimeout(() => {
        this.later = undefined;
        this.refresh();
      }, early);
      return;
    }
    // Rows do not change places under somebody's hand; their figures do.
    if (this.rows.matches(":hover, :focus-within")) this.retell();
    else this.fill();
  }

  private retell(): void {
    this.filledAt = performance.now();
    for (const { i, row } of this.told) row.replaceChildren(...this.parts(i, row));
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
    this.told = found.slice(0, MOST).map(({ i }) => ({ i, row: h("button", { onclick: () => this.picked(i) }) }));
    this.retell();
    this.rows.replaceChildren(...this.told.map(({ row }) => h("li", {}, row)));
  }

  /** What stands in the row of an intersection; its label for those who hear it is set too. */
  private parts(i: number, row: HTMLElement): HTMLElement[] {
    const { street, state, recorded } = this;
    const number = state.places.m[i];
    const kind = recorded ? "" : number & SILENT ? "bad" : number === 1 ? "good" : "odd";
    const mode = recorded ? "" : (this.modes[number & ~SILENT] ?? "unknown").replaceAll("_", " ");
    const queue = figure(longestQueue(street, state, i));
    const words = [street.ids[i], mode, `longest queue ${queue} metres`];
    row.setAttribute("aria-label", words.filter(Boolean).join(", "));
    const dot = h("span", { class: `dot ${kind}`, title: mode });
    return [dot, h("span", { class: "name" }, street.ids[i]), h("span", { class: "queue" }, `${queue} m`)];
  }
}
