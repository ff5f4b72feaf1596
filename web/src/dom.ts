// Small helpers for making elements and writing times and figures.

type Child = Node | string | null | undefined | false;
type Props = Record<string, string | number | boolean | ((event: Event) => void) | undefined>;

/** Makes an element: `on...` are listeners, everything else attributes; text goes in as text, never as markup. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child): child is Node | string => Boolean(child)));
  return element;
}

let clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "UTC" });
let minutes = new Intl.DateTimeFormat("en-GB", { timeStyle: "short", timeZone: "UTC" });

export function useTimeZone(timeZone: string): void {
  clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone });
  minutes = new Intl.DateTimeFormat("en-GB", { timeStyle: "short", timeZone });
}

/** Time of day of the street, from tenths since 1970: 07:31:05. */
export function timeText(tenths: number): string {
  return clock.format(tenths * 100);
}

export function minuteText(tenths: number): string {
  return minutes.format(tenths * 100);
}

export function figure(value: number, digits = 0): string {
  return value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A canvas that fits its box and the screen's pixels; calls back with its size in CSS pixels. */
export function fitCanvas(canvas: HTMLCanvasElement, changed: (width: number, height: number) => void): void {
  new ResizeObserver(() => {
    const { clientWidth, clientHeight } = canvas;
    const ratio = devicePixelRatio;
    canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    changed(clientWidth, clientHeight);
  }).observe(canvas);
}

/** The 2D context of a canvas, scaled to CSS pixels. */
export function brush(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser gives no 2D canvas");
  context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  return context;
}
