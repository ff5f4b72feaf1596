// Colours: defined once in the style sheet, read here for everything that is drawn on a canvas.

const NAMES = [
  "paper", "road", "unknown", "smooth", "slow", "congested", "severe", "queue", "ink", "soft", "line",
  "green", "yields", "yellow", "red", "accent", "pattern", "silent", "band", "panel",
] as const;
export type Colours = Record<(typeof NAMES)[number], string>;
export type Theme = "light" | "dark";

const KEPT = "citybrain.theme";
const listeners: (() => void)[] = [];
let colours: Colours | null = null;

export function theme(): Theme {
  const chosen = localStorage.getItem(KEPT);
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function choose(wanted: Theme): void {
  localStorage.setItem(KEPT, wanted);
  show();
}

export function onTheme(listener: () => void): void {
  listeners.push(listener);
}

export function palette(): Colours {
  if (!colours) {
    const style = getComputedStyle(document.documentElement);
    colours = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])) as Colours;
  }
  return colours;
}

export function begin(): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}

function show(): void {
  document.documentElement.dataset.theme = theme();
  colours = null;
  for (const listener of listeners) listener();
}
