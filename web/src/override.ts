// A person's wish for an intersection: freeze, stage, pattern or the cabinet's own, with who, why and until when.
import { h, timeText } from "./dom";
import type { Override } from "./panel";
import { ask, Refused } from "./service";

const TENTHS_PER_MINUTE = 600;
const WHO = "citybrain.who";

export interface Wanted {
  id: string;
  active: Override[];
  stages: number;
  patterns: number[];
  scope: string;
  now: () => number;
  again: () => void;
}

export function overrideForm(wanted: Wanted): HTMLElement {
  if (wanted.scope !== "operator") {
    return h("p", { class: "note" }, "This key may look, not override: that takes an operator's key.");
  }
  const failure = h("p", { class: "note bad", role: "alert" });
  const attempt = async (act: () => Promise<unknown>): Promise<void> => {
    failure.textContent = "";
    try {
      await act();
      (document.activeElement as HTMLElement | null)?.blur();
      wanted.again();
    } catch (error) {
      failure.textContent = error instanceof Refused ? error.message : "the service does not answer; nothing was changed";
    }
  };
  const who = h("input", { name: "who", required: true, maxlength: 200, autocomplete: "name", value: sessionStorage.getItem(WHO) ?? "" });
  return h("div", { class: "override" }, ...wanted.active.map((o) => active(o, who, attempt)), form(wanted, who, attempt), failure);
}

type Attempt = (act: () => Promise<unknown>) => Promise<void>;

function active(override: Override, who: HTMLInputElement, attempt: Attempt): HTMLElement {
  const end = h("button", {
    type: "button",
    class: "end",
    onclick: () => {
      if (!who.reportValidity()) return;
      const query = new URLSearchParams({ who: who.value });
      void attempt(() => ask(`/v1/overrides/${override.number}?${query.toString()}`, "DELETE"));
    },
  }, "End it");
  const value = typeof override.value === "number" ? ` ${override.value}` : "";
  return h(
    "div",
    { class: "active" },
    h("p", {}, h("b", {}, `${override.kind}${value}`), ` until ${timeText(override.until)}, by ${override.who}: ${override.why}`),
    end,
  );
}

function form(wanted: Wanted, who: HTMLInputElement, attempt: Attempt): HTMLElement {
  const option = (value: string, text: string) => h("option", { value }, text);
  const kind = h(
    "select",
    { name: "kind" },
    option("freeze", "freeze: keep the stage shown now"),
    ...Array.from({ length: wanted.stages }, (_, k) => option(`stage ${k}`, `show stage ${k}`)),
    ...wanted.patterns.map((number) => option(`pattern ${number}`, `run pattern ${number}`)),
    option("fallback", "fallback: the cabinet's own pattern"),
  );
  const why = h("input", { name: "why", required: true, maxlength: 500 });
  const minutes = h("input", { name: "minutes", type: "number", min: 1, max: 1440, value: 10, required: true });
  const submit = (event: Event): void => {
    event.preventDefault();
    const [name, value] = kind.value.split(" ");
    sessionStorage.setItem(WHO, who.value);
    void attempt(() =>
      ask("/v1/overrides", "POST", {
        intersection: wanted.id,
        kind: name,
        value: value === undefined ? null : Number(value),
        who: who.value,
        why: why.value,
        until: wanted.now() + Math.round(minutes.valueAsNumber * TENTHS_PER_MINUTE),
      }),
    );
  };
  return h(
    "form",
    { onsubmit: submit },
    h("label", { class: "wide" }, "What", kind),
    h("label", {}, "Who", who),
    h("label", {}, "For how long [min]", minutes),
    h("label", { class: "wide" }, "Why, for the ledger", why),
    h("button", { type: "submit", class: "main" }, "Override"),
  );
}
