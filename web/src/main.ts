// Puts the page together: header, map, side, charts and corridor, and the source of its frames.
import { Charts } from "./charts";
import { Corridor } from "./corridor";
import { figure, h, timeText, useTimeZone } from "./dom";
import { State, type FrameDocument, type Minute } from "./frames";
import { List } from "./list";
import { MapView, type Colouring } from "./map";
import { Panel } from "./panel";
import { Player, type RecordDocument } from "./record";
import { ask, findKey, keepKey, listen, Refused } from "./service";
import { Street, type StreetDocument } from "./street";
import "./style.css";
import { begin as beginTheme, choose, theme } from "./theme";

interface About {
  kind: "live" | "record";
  modes: string[];
  time_zone: string;
}

const SAMPLE_EVERY = 100;
const LEGENDS: Record<Colouring, string[]> = {
  index: ["no figures", "smooth", "slow from 1.5", "congested from 2", "severe from 4"],
  fill: ["", "below 25 %", "from 25 %", "from 50 %", "from 75 % full"],
  confidence: ["", "sure", "below 75 %", "below 50 %", "below 25 %"],
};
const LEVEL_NAMES = ["unknown", "smooth", "slow", "congested", "severe"];

class Page {
  private readonly state: State;
  private readonly map: MapView;
  private readonly list: List;
  private readonly panel: Panel;
  private readonly charts = new Charts(SAMPLE_EVERY);
  private readonly corridor: Corridor;
  private readonly side = h("aside", { id: "side" });
  private readonly dock = h("section", { id: "dock", "aria-label": "The city over time" });
  private readonly status = h("span", { class: "status", role: "status" });
  private readonly clock = h("output", { class: "clock", "aria-label": "Time of the street" }, "--:--:--");
  private readonly facts = h("dl", { class: "facts" });
  private readonly legend = h("div", { class: "legend" });
  private picking: number[] | null = null;
  private readonly corridorButton: HTMLButtonElement;
  private connection = "";

  constructor(
    private readonly street: Street,
    private readonly about: About,
  ) {
    const recorded = about.kind === "record";
    this.state = new State(street);
    const canvas = h("canvas", {
      id: "map",
      tabindex: 0,
      role: "application",
      "aria-label": "Map of the street. Arrow keys move it, plus and minus zoom, zero shows all of it; the list beside it names every intersection.",
    });
    const pick = (i: number) => this.pick(i);
    this.map = new MapView(canvas, street, this.state, pick);
    this.list = new List(street, this.state, about.modes, recorded, pick);
    this.panel = new Panel(street, this.state, about.modes, recorded, () => this.leave());
    this.corridor = new Corridor(street, this.state);
    this.corridorButton = h("button", { "aria-pressed": "false", onclick: () => this.toggleCorridor() }, "Corridor");
    this.side.append(this.list.element);
    this.dock.append(this.charts.element);
    document.body.replaceChildren(this.header(), h("main", {}, h("div", { id: "stage" }, canvas, this.legend), this.side, this.dock));
    this.showLegend();
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      const { target } = event;
      // Out of a field first: nobody loses what they have typed.
      if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) target.blur();
      else this.escape();
    });
  }

  private header(): HTMLElement {
    const colouring = h("select", { "aria-label": "Colour of the roads" });
    const names: [Colouring, string][] = [["index", "delay index"], ["fill", "room taken"], ["confidence", "confidence"]];
    colouring.append(...names.map(([value, text]) => h("option", { value }, text)));
    colouring.addEventListener("change", () => {
      this.map.colouring = colouring.value as Colouring;
      this.showLegend();
      this.map.ask();
    });
    const light = h("button", { class: "icon", "aria-label": "Switch between light and dark", title: "Light or dark", onclick: () => choose(theme() === "dark" ? "light" : "dark") }, "◐");
    const fit = h("button", { class: "icon", "aria-label": "Show the whole street", title: "Whole street", onclick: () => this.map.camera.fit() }, "⤢");
    return h(
      "header",
      { id: "top" },
      h("div", { class: "brand" }, h("b", {}, "City Brain"), this.clock, this.status),
      this.facts,
      h("div", { class: "tools" }, h("label", { class: "tool" }, "Roads by", colouring), this.corridorButton, fit, light),
    );
  }

  private showLegend(): void {
    const words = LEGENDS[this.map.colouring];
    const chips = words.map((word, level) => word && h("span", {}, h("i", { class: `chip ${LEVEL_NAMES[level]}` }), word));
    this.legend.replaceChildren(...chips, h("span", {}, h("i", { class: "chip queue" }), "queue"));
  }

  private pick(i: number): void {
    if (this.picking) {
      if (i >= 0) this.pickEnd(i);
      return;
    }
    if (i < 0) {
      this.leave();
      return;
    }
    this.map.selected = i;
    this.map.ask();
    this.side.replaceChildren(this.panel.element);
    this.side.scrollTop = 0;
    this.panel.open(i);
    const { place } = this.street;
    const { camera } = this.map;
    const [x, y] = [camera.screenX(place[2 * i]), camera.screenY(place[2 * i + 1])];
    if (x < 30 || y < 30 || x > camera.width - 30 || y > camera.height - 30 || camera.scale < 0.5) {
      camera.look(place[2 * i], place[2 * i + 1]);
    }
  }

  private leave(): void {
    if (this.panel.shown < 0) return;
    this.panel.close();
    this.map.selected = -1;
    this.map.ask();
    this.side.replaceChildren(this.list.element);
    this.list.refresh();
  }

  private pickEnd(i: number): void {
    const ends = this.picking!;
    if (ends.length === 2) ends.length = 0;
    ends.push(i);
    if (ends.length === 1) {
      this.corridor.clear();
      this.corridor.explain(`From ${this.street.ids[i]} to …? Choose where the corridor ends.`);
      this.map.corridor = [i];
    } else {
      this.map.corridor = this.corridor.show(ends[0], ends[1]) ? this.corridor.intersections : [];
    }
    this.map.ask();
  }

  private toggleCorridor(): void {
    const on = this.picking === null;
    this.picking = on ? [] : null;
    this.corridorButton.setAttribute("aria-pressed", String(on));
    this.dock.replaceChildren(on ? this.corridor.element : this.charts.element);
    if (on) this.leave();
    else this.map.corridor = [];
    if (on && this.corridor.intersections.length) this.map.corridor = this.corridor.intersections;
    this.corridor.draw();
    this.map.ask();
  }

  private escape(): void {
    if (this.picking) this.toggleCorridor();
    else this.leave();
  }

  show(frame: FrameDocument): void {
    this.state.apply(frame);
    this.clock.textContent = timeText(frame.t);
    if (this.about.kind === "live") this.charts.add(frame.t, frame.vehicles, frame.queue, frame.minute);
    else this.charts.mark(frame.t);
    this.showFacts(frame, frame.minute);
    this.tellStatus();
    this.map.ask();
    this.list.refresh();
    this.panel.refresh();
    if (this.picking) this.corridor.draw();
  }

  private showFacts(frame: FrameDocument, minute: Minute | null): void {
    const { alive, plans } = frame;
    const facts: [string, string, string][] = [
      [figure(frame.vehicles), "vehicles on lanes", ""],
      [figure(frame.queue), "queued", ""],
      [minute ? figure(minute.index, 2) : "–", minute ? `delay index, ${minute.level}` : "delay index", minute?.level ?? ""],
    ];
    if (alive !== null) facts.push([`${alive} / ${this.street.ids.length}`, "cabinets in contact", ""]);
    if (plans !== null) facts.push([figure(plans), "plans in force", ""]);
    if (frame.confidence !== null) facts.push([`${Math.round(100 * frame.confidence)} %`, "confidence", ""]);
    const parts = facts.map(([value, name, kind]) => h("div", { class: kind }, h("dd", {}, value), h("dt", {}, name)));
    this.facts.replaceChildren(...parts);
  }

  connected(state: "live" | "lost", why: string): void {
    this.connection = state === "live" ? "" : why;
    this.tellStatus();
  }

  private tellStatus(): void {
    const reasons = this.state.rest?.ready ?? [];
    const recorded = this.about.kind === "record";
    const text = this.connection ? `reconnecting: ${this.connection}` : reasons.length ? reasons.join("; ") : recorded ? "record" : "live";
    if (this.status.textContent === text) return;
    this.status.textContent = text;
    this.status.className = `status ${this.connection || reasons.length ? "bad" : recorded ? "odd" : "good"}`;
  }

  live(): void {
    void listen({
      hello: (told) => this.panel.setScope(told.scope),
      past: (told) => {
        this.state.memory.forget();
        this.charts.past(told);
      },
      frame: (told) => this.show(told),
      connection: (state, why) => this.connected(state, why),
      keyRefused: (why) => askForKey(why),
    });
  }

  async record(): Promise<void> {
    const record = await ask<RecordDocument>("/v1/page/record");
    this.charts.past(record.past);
    const show = (frame: FrameDocument, last: boolean) => (last ? this.show(frame) : this.state.apply(frame));
    const player = new Player(record, show, (why) => this.connected("lost", why));
    this.dock.before(player.element);
    document.title = `${record.scenario}, ${record.controller}: record`;
    player.seekBusiest(record.past.samples);
  }
}

function askForKey(why: string): void {
  const input = h("input", { type: "password", name: "key", required: true, autocomplete: "off", placeholder: "cb_…", "aria-label": "Key" });
  const enter = (event: Event): void => {
    event.preventDefault();
    keepKey(input.value);
    void start();
  };
  const form = h(
    "form",
    { class: "door", onsubmit: enter },
    h("h1", {}, "City Brain"),
    h("p", {}, "This street is shown to whoever has a key of scope ", h("b", {}, "reader"), " or ", h("b", {}, "operator"), "."),
    input,
    h("button", { class: "main", type: "submit" }, "Open"),
    why && h("p", { class: "note bad", role: "alert" }, why),
    h("p", { class: "note" }, h("code", {}, "citybrain keys add --scope operator --name 'your name'"), " makes one. It stays in this tab alone."),
  );
  document.body.replaceChildren(h("main", { class: "alone" }, form));
  input.focus();
}

async function start(): Promise<void> {
  try {
    const about = await ask<About>("/page/about.json");
    useTimeZone(about.time_zone);
    if (about.kind === "live" && !findKey()) {
      askForKey("");
      return;
    }
    const street = new Street(await ask<StreetDocument>("/v1/page/street"));
    const page = new Page(street, about);
    if (about.kind === "live") page.live();
    else await page.record();
  } catch (error) {
    if (error instanceof Refused && (error.status === 401 || error.status === 403)) askForKey(error.message);
    else {
      const again = h("button", { class: "main", onclick: () => void start() }, "Try again");
      const told = error instanceof Refused ? error.message : "The service does not answer.";
      document.body.replaceChildren(h("main", { class: "alone" }, h("div", { class: "door" }, h("h1", {}, "City Brain"), h("p", {}, told), again)));
    }
  }
}

beginTheme();
void start();
