// Talks to the service: the key, documents, and the stream that comes back after every interruption.
import type { FrameDocument, PastDocument } from "./frames";

const KEPT = "citybrain.key";
const PATIENCE_MS = 25_000;
const PAUSES_MS = [300, 700, 1500, 3000, 5000];

export interface Hello {
  scope: string;
  name: string;
  version: string;
}

export interface Listener {
  hello(told: Hello): void;
  past(told: PastDocument): void;
  frame(told: FrameDocument): void;
  connection(state: "live" | "lost", why: string): void;
  keyRefused(why: string): void;
}

/** An answer other than the one hoped for, in the service's own words. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

/** Takes the key out of the address, where it may stand after the `#`, and gives the one that is kept. */
export function findKey(): string {
  const told = new URLSearchParams(location.hash.slice(1)).get("key");
  if (told) {
    keepKey(told);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEPT) ?? "";
}

export function keepKey(key: string): void {
  sessionStorage.setItem(KEPT, key.trim());
}

export async function ask<T>(path: string, method = "GET", body?: unknown): Promise<T> {
  const headers: Record<string, string> = {};
  const key = sessionStorage.getItem(KEPT);
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const options: RequestInit = { method, headers, cache: "no-store" };
  if (body !== undefined) options.body = JSON.stringify(body);
  const answer = await fetch(path, options);
  if (!answer.ok) throw await refusal(answer);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

async function refusal(answer: Response): Promise<Refused> {
  try {
    const { code, detail } = (await answer.json()) as { code: string; detail: string };
    return new Refused(answer.status, code, detail);
  } catch {
    return new Refused(answer.status, "unknown", `the service answered ${answer.status}`);
  }
}

/** The address of something about an intersection, whose id may hold any letter. */
export function about(intersection: string, what = ""): string {
  return `/v1/intersections/${encodeURIComponent(intersection)}${what}`;
}

/** Listen to the service for good: whenever the stream ends, wait a little and open it again. */
export async function listen(listener: Listener): Promise<void> {
  let failures = 0;
  for (;;) {
    let why = "the stream ended";
    try {
      await read(listener, () => (failures = 0));
    } catch (error) {
      if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
        listener.keyRefused(error.message);
        return;
      }
      why = error instanceof Refused ? error.message : "the service does not answer";
    }
    listener.connection("lost", why);
    await pause(PAUSES_MS[Math.min(failures++, PAUSES_MS.length - 1)]);
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function read(listener: Listener, opened: () => void): Promise<void> {
  const stop = new AbortController();
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(KEPT) ?? ""}` };
  const answer = await fetch("/v1/page/stream", { headers, cache: "no-store", signal: stop.signal });
  if (!answer.ok || !answer.body) throw await refusal(answer);
  opened();
  listener.connection("live", "");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    // A line that has gone dead without a word shows by its silence: the service speaks every ten seconds.
    const silence = setTimeout(() => stop.abort(), PATIENCE_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    text += value;
    let end: number;
    while ((end = text.indexOf("\n\n")) >= 0) {
      hand(text.slice(0, end), listener);
      text = text.slice(end + 2);
    }
  }
}

function hand(event: string, listener: Listener): void {
  const lines = event.split("\n");
  const member = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const name = member("event");
  const data = member("data");
  if (!data) return;
  if (name === "hello") listener.hello(JSON.parse(data) as Hello);
  else if (name === "past") listener.past(JSON.parse(data) as PastDocument);
  else if (name === "frame") listener.frame(JSON.parse(data) as FrameDocument);
}
