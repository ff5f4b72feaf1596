// Draws the figures that the reader steers: corridor, signals, choices, coordination. Times are tenths of a second.
"use strict";
(async () => {
  const NS = "http://www.w3.org/2000/svg";
  const W = 1000, LEFT = 104, RIGHT = 26;
  const DISCHARGE = 8, SPACE = 7.5; // m/s with which a queue is left, m that a vehicle takes in it
  const LEAST_BAND = 40; // tenths: shorter bands help nobody
  const byId = (id) => document.getElementById(id);

  const read = async () => {
    const bytes = Uint8Array.from(atob(byId("data").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };
  const svg = (name, attributes, ...children) => {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    for (const child of children) made.append(child);
    return made;
  };
  const html = (name, attributes, ...children) => {
    const made = document.createElement(name);
    Object.assign(made, attributes);
    made.append(...children);
    return made;
  };
  const words = (text, x, y, anchor = "start", kind = "") =>
    svg("text", { x, y, "text-anchor": anchor, class: kind }, text);
  const rows = (flat, width) => {
    const found = [];
    for (let k = 0; k < flat.length; k += width) found.push(flat.slice(k, k + width));
    return found;
  };

  let data;
  try {
    data = await read();
  } catch (error) {
    byId("controls").append(`These figures need a browser of 2023 or newer (${error.message}).`);
    return;
  }
  const clock = (t) => {
    const s = Math.round(data.begin + t / 10);
    const two = (n) => String(n).padStart(2, "0");
    return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  };
  const choice = (parent, label, options, chosen, changed) => {
    const box = html("select", {});
    options.forEach(([value, text]) => box.append(html("option", { value, textContent: text })));
    box.value = chosen;
    box.onchange = () => changed(Number(box.value));
    parent.append(html("label", {}, label, box));
    return box;
  };
  const refill = (box, options, chosen) => {
    box.replaceChildren(...options.map(([value, text]) => html("option", { value, textContent: text })));
    box.value = chosen;
  };
  const picture = (height, label, ...parts) =>
    svg("svg", { viewBox: `0 0 ${W} ${height}`, class: "chart", role: "img", "aria-label": label }, ...parts);

  // What is chosen.
  const span = Math.min(6000, data.length);
  const view = {
    controller: data.subject, begin: Math.max(0, Math.floor((data.length - span) / 2 / 600) * 600),
    corridor: 0, from: 0, to: 0, back: false, intersection: 0, approach: 0,
  };
  const end = () => view.begin + span;
  const x = (t) => LEFT + ((t - view.begin) / span) * (W - LEFT - RIGHT);
  const timeAxis = (bottom) => {
    const parts = [svg("line", { x1: LEFT, x2: W - RIGHT, y1: bottom, y2: bottom, class: "axis" })];
    for (let t = Math.ceil(view.begin / 600) * 600; t <= end(); t += 600) {
      parts.push(svg("line", { x1: x(t), x2: x(t), y1: bottom, y2: bottom + 5, class: "axis" }));
      parts.push(words(clock(t).slice(0, -3), x(t), bottom + 19, "middle"));
    }
    parts.push(words("time of day [h:mm]", (LEFT + W) / 2, bottom + 38, "middle", "label"));
    return parts;
  };
  const signals = (i) => rows(data.signals[view.controller][i], 4);

  // Corridor: the approaches from intersection to intersection, and the signals that end them.
  const quickest = (from, to) => {
    const cost = new Map([[from, 0]]), way = new Map(), open = new Set([from]);
    while (open.size) {
      const here = [...open].reduce((a, b) => (cost.get(a) <= cost.get(b) ? a : b));
      open.delete(here);
      if (here === to) break;
      data.approaches.forEach((a, k) => {
        const reached = cost.get(here) + a.seconds;
        if (a.from === here && reached < (cost.get(a.to) ?? Infinity)) {
          cost.set(a.to, reached); way.set(a.to, k); open.add(a.to);
        }
      });
    }
    const chain = [];
    for (let at = to; at !== from; at = data.approaches[chain[0]].from) {
      if (!way.has(at)) return [];
      chain.unshift(way.get(at));
    }
    return chain;
  };
  const follow = (stops) => stops.slice(1).flatMap((stop, k) => quickest(stops[k], stop));
  const feeder = (first) => {
    // The approach over which most come to the corridor's first signal.
    const start = data.approaches[first].from, target = data.approaches[first].roads[0];
    const flow = (k) => rows(data.trips[view.controller][k], 5).filter((trip) => trip[4] === target).length;
    const options = data.approaches.map((a, k) => [a.to === start ? flow(k) : 0, k]).filter(([n]) => n > 0);
    return options.length ? [options.reduce((a, b) => (a[0] >= b[0] ? a : b))[1]] : [];
  };
  const stops = () => {
    const chain = view.corridor >= 0 ? data.corridors[view.corridor] : [view.from, view.to];
    return view.back ? [...chain].reverse() : chain;
  };
  const mostTaken = (k) => {
    const count = new Map();
    rows(data.trips[view.controller][k], 5).forEach((trip) => count.set(trip[4], (count.get(trip[4]) ?? 0) + 1));
    return [...count].reduce((a, b) => (a[1] >= b[1] ? a : b), [-1, 0])[0];
  };
  const greens = (k, road) => {
    const groups = new Set(data.approaches[k].groups[road] ?? []);
    const found = signals(data.approaches[k].to).filter((s) => groups.has(s[0]) && s[1] < 2).map((s) => [s[2], s[3]]);
    found.sort((a, b) => a[0] - b[0]);
    return found.reduce((merged, [b, e]) => {
      const last = merged[merged.length - 1];
      if (last && b <= last[1]) last[1] = Math.max(last[1], e); else merged.push([b, e]);
      return merged;
    }, []);
  };
  const drive = (trip, trips, a) => {
    // Corners of a vehicle's line: free driving, standing in the queue, leaving it. Both ends are exact.
    const [, start, entry, leave] = trip, free = a.length / a.seconds / 10;
    if (leave < 0) {
      const stop = Math.min(entry + (a.length - start) / free, end());
      return [[entry, start], [stop, Math.min(a.length, start + (stop - entry) * free)]];
    }
    const arrival = entry + (a.length - start) / free;
    if (leave - arrival < 30) return [[entry, start], [leave, a.length]];
    const ahead = trips.filter((other) => other[2] < entry && other[3] > arrival && other[3] < leave).length;
    const place = Math.max(start, a.length - (SPACE * ahead) / a.lanes);
    const stand = entry + (place - start) / free, off = leave - ((a.length - place) / DISCHARGE) * 10;
    if (off <= stand) return [[entry, start], [leave, a.length]];
    return [[entry, start], [stand, place], [off, place], [leave, a.length]];
  };
  const meet = (one, two) => {
    const found = [];
    one.forEach(([b, e]) => two.forEach(([c, f]) => {
      if (Math.min(e, f) - Math.max(b, c) >= LEAST_BAND) found.push([Math.max(b, c), Math.min(e, f)]);
    }));
    return found;
  };
  const drawCorridor = () => {
    const links = follow(stops()), place = byId("corridor");
    if (!links.length) { place.replaceChildren("No way leads from the one to the other."); return; }
    const chain = [...feeder(links[0]), ...links], lengths = chain.map((k) => data.approaches[k].length);
    const total = lengths.reduce((a, b) => a + b, 0), height = 480, bottom = height - 48;
    const y = (d) => bottom - (d / total) * (bottom - 26);
    const inner = [svg("rect", { x: LEFT, y: 0, width: W - LEFT - RIGHT, height: bottom })];
    const clip = svg("clipPath", { id: "window" }, ...inner);
    const drawn = svg("g", { "clip-path": "url(#window)" }), marks = [];
    let base = 0, bands = null, offset = 0;
    const passed = [];
    let named = Infinity; // height of the name before: names of close neighbours must not lie on each other
    chain.forEach((k, n) => {
      const a = data.approaches[k], trips = rows(data.trips[view.controller][k], 5);
      const into = n + 1 < chain.length ? data.approaches[chain[n + 1]].roads[0] : mostTaken(k);
      trips.filter((t) => t[2] < end() && (t[3] < 0 || t[3] > view.begin)).forEach((trip) => {
        const points = drive(trip, trips, a).map(([t, d]) => `${x(t).toFixed(1)},${y(base + d).toFixed(1)}`);
        drawn.append(svg("polyline", { points: points.join(" "), class: "trip" }));
      });
      base += a.length;
      const shown = greens(k, into), at = y(base);
      drawn.append(svg("rect", { x: LEFT, y: at - 2.5, width: W - LEFT, height: 5, class: "red" }));
      shown.forEach(([b, e]) => drawn.append(svg("rect", { x: x(b), y: at - 3.5, width: x(e) - x(b), height: 7, class: "green" })));
      if (n) offset += a.seconds * 10;
      const open = shown.map(([b, e]) => [b - offset, e - offset]);
      bands = bands === null ? open : meet(bands, open);
      passed.push([offset, at]);
      const line = Math.min(at, named - 15);
      if (at - line > 20) return;
      named = line;
      marks.push(words(data.intersections[a.to].name, LEFT - 6, line + 4, "end"));
    });
    if (passed.length > 1) bands.forEach(([b, e]) => {
      const up = passed.map(([o, at]) => `${x(b + o)},${at}`), down = passed.map(([o, at]) => `${x(e + o)},${at}`);
      drawn.append(svg("polygon", { points: [...up, ...down.reverse()].join(" "), class: "greenband" }));
    });
    const share = bands.filter(([b]) => b >= view.begin && b < end()).reduce((sum, [b, e]) => sum + e - b, 0) / span;
    const told = `${Math.round(total)} m, upwards in driving direction; green bands fill ${Math.round(100 * share)} % of the time`;
    place.replaceChildren(picture(height, "Time-space diagram", clip, drawn, ...marks, ...timeAxis(bottom), words(told, LEFT, 14, "start", "label")));
  };

  // Signals of an intersection, and what was chosen there.
  const drawSignals = () => {
    const i = view.intersection, groups = data.intersections[i].groups, row = 24, left = 250;
    const height = 8 + groups.length * row + 46, bottom = height - 46;
    const at = (t) => left + ((t - view.begin) / span) * (W - left - RIGHT);
    const parts = [];
    groups.forEach(([name], g) => parts.push(words(name.length > 34 ? `${name.slice(0, 33)}…` : name, left - 8, 8 + g * row + 16, "end")));
    signals(i).filter((s) => s[3] > view.begin && s[2] < end()).forEach(([g, aspect, b, e]) => {
      const first = at(Math.max(b, view.begin)), last = at(Math.min(e, end()));
      const kind = ["green", "permissive", "yellow"][aspect];
      const bar = svg("rect", { x: first, y: 8 + g * row + 3, width: last - first, height: row - 6, class: kind });
      bar.append(svg("title", {}, `${groups[g][0]}: ${clock(b)} to ${clock(e)}, ${(e - b) / 10} s`));
      parts.push(bar);
    });
    for (let t = Math.ceil(view.begin / 600) * 600; t <= end(); t += 600) {
      parts.push(svg("line", { x1: at(t), x2: at(t), y1: 8, y2: bottom + 5, class: "grid" }));
      parts.push(words(clock(t).slice(0, -3), at(t), bottom + 19, "middle"));
    }
    parts.push(words("time of day [h:mm]", (left + W) / 2, bottom + 38, "middle", "label"));
    const none = !data.signals[view.controller][i].length;
    byId("signals").replaceChildren(none ? "This controller left no record of its signals." : picture(height, "Signals", ...parts));
    drawChoices();
  };
  const drawChoices = () => {
    const stages = data.intersections[view.intersection].stages;
    const found = rows(data.choices[view.controller][view.intersection], 9).filter((c) => c[0] >= view.begin && c[0] < end());
    if (!found.length) { byId("choices").replaceChildren("Nothing was chosen here in these minutes: a fixed plan follows its clock."); return; }
    const head = ["time", "from", "to", "queue there [veh]", "arriving there in 10 s [veh]", "first waits [s]", "queue left behind [veh]", "cost [veh s]", "guard"];
    const cells = (kind, values) => html("tr", {}, ...values.map((v, k) => html(kind, { textContent: v, className: k === 1 || k === 2 ? "t" : k > 2 && k < 8 ? "n" : "" })));
    const body = found.map(([t, from, to, queue, arriving, behind, waits, cost, rule]) => cells("td", [
      clock(t), `${from}: ${stages[from] ?? ""}`, `${to}: ${stages[to] ?? ""}`, queue, arriving, Math.round(waits), behind, cost ?? "–", rule.replaceAll("_", " "),
    ]));
    byId("choices").replaceChildren(html("table", {}, html("thead", {}, cells("th", head)), html("tbody", {}, ...body)));
  };

  // Coordination: when vehicles reach the stop line within the cycle.
  const drawPurdue = () => {
    const a = data.approaches[view.approach], place = byId("purdue");
    const road = mostTaken(view.approach), shown = greens(view.approach, road);
    if (shown.length < 3) { place.replaceChildren("No signals are recorded here under this controller, or hardly any green."); return; }
    const cycles = shown.slice(1).map(([b, e], k) => ({ begin: shown[k][1], green: b - shown[k][1], length: e - shown[k][1] }));
    const sorted = cycles.map((c) => c.length).sort((p, q) => p - q);
    const top = Math.min(sorted[Math.floor(0.98 * (sorted.length - 1))] * 1.05, 3000), height = 340, bottom = height - 48;
    const at = (t) => LEFT + (t / data.length) * (W - LEFT - RIGHT), y = (d) => bottom - (Math.min(d, top) / top) * (bottom - 24);
    const parts = [], free = a.length / a.seconds / 10;
    const step = [100, 200, 300, 600].find((s) => top / s <= 6) ?? 600;
    for (let d = 0; d <= top; d += step) {
      parts.push(svg("line", { x1: LEFT, x2: W - RIGHT, y1: y(d), y2: y(d), class: "grid" }), words(String(d / 10), LEFT - 8, y(d) + 4, "end"));
    }
    const line = (pick, kind) => {
      const points = cycles.flatMap((c) => [`${at(c.begin)},${y(pick(c))}`, `${at(c.begin + c.length)},${y(pick(c))}`]);
      parts.push(svg("polyline", { points: points.join(" "), class: kind }));
    };
    let come = 0, onGreen = 0, k = 0;
    rows(data.trips[view.controller][view.approach], 5).filter((t) => t[4] === road)
      .map(([, start, entry]) => entry + (a.length - start) / free).sort((p, q) => p - q).forEach((t) => {
        while (k + 1 < cycles.length && cycles[k + 1].begin <= t) k += 1;
        const c = cycles[k], since = t - c.begin;
        if (since < 0 || since > c.length) return;
        come += 1; onGreen += since >= c.green;
        parts.push(svg("circle", { cx: at(t), cy: y(since), r: 2.2, class: "arrival" }));
      });
    line((c) => c.green, "greenbegin");
    line((c) => c.length, "cycleend");
    for (let t = 0; t <= data.length; t += data.length > 54000 ? 18000 : 6000) parts.push(words(clock(t).slice(0, -3), at(t), bottom + 19, "middle"));
    parts.push(words("time of day [h:mm]", (LEFT + W) / 2, bottom + 38, "middle", "label"));
    parts.push(svg("text", { x: 14, y: bottom / 2, "text-anchor": "middle", class: "label", transform: `rotate(-90 14 ${bottom / 2})` }, "time in cycle [s]"));
    const told = `${come} vehicles towards ${data.roads[road]}; ${Math.round((100 * onGreen) / Math.max(come, 1))} % arrive at green (solid line: green begins; dashed: it ends)`;
    parts.push(words(told, LEFT, 14, "start", "label"));
    place.replaceChildren(picture(height, "Coordination diagram", ...parts));
  };

  const drawAll = () => { drawCorridor(); drawSignals(); drawPurdue(); };
  const places = data.intersections.map((one, i) => [i, one.name]);
  const chains = [...data.corridors.map((chain, k) => [k, chain.map((i) => data.intersections[i].name).join(" – ")]), [-1, "from … to … (choose)"]];
  const approaches = () => data.approaches.map((a, k) => [k, a.name, a.to]).filter(([, , to]) => to === view.intersection);

  choice(byId("controls"), "Controller", data.controllers.map((name, k) => [k, name]), view.controller, (k) => { view.controller = k; drawAll(); });
  const slider = html("input", { type: "range", min: 0, max: Math.max(0, data.length - span), step: 600, value: view.begin });
  const told = html("output", {});
  const moved = () => { view.begin = Number(slider.value); told.textContent = `${clock(view.begin).slice(0, -3)} to ${clock(end()).slice(0, -3)}`; };
  slider.oninput = () => { moved(); drawCorridor(); drawSignals(); };
  byId("controls").append(html("label", {}, "Time", slider, told));
  moved();

  view.corridor = data.corridors.length ? 0 : -1;
  view.to = Math.min(1, data.intersections.length - 1);
  const corridor = byId("corridor-controls");
  const lines = choice(corridor, "Corridor", chains, view.corridor, (k) => { view.corridor = k; ends(); drawCorridor(); });
  const own = () => { view.corridor = -1; lines.value = -1; drawCorridor(); };
  const first = choice(corridor, "from", places, view.from, (i) => { view.from = i; own(); });
  const last = choice(corridor, "to", places, view.to, (i) => { view.to = i; own(); });
  const ends = () => {
    const chain = data.corridors[view.corridor] ?? [view.from, view.to];
    view.from = chain[0]; view.to = chain[chain.length - 1];
    first.value = view.from; last.value = view.to;
  };
  ends();
  corridor.append(html("button", { textContent: "Other direction", onclick: () => { view.back = !view.back; drawCorridor(); } }));

  const busiest = data.trips[view.controller].map((flat, k) => [flat.length, k]).reduce((a, b) => (a[0] >= b[0] ? a : b))[1];
  view.approach = busiest;
  view.intersection = data.approaches[busiest].to;
  choice(byId("signals-controls"), "Intersection", places, view.intersection, (i) => {
    view.intersection = i;
    view.approach = approaches()[0]?.[0] ?? view.approach;
    refill(arms, approaches(), view.approach);
    drawSignals(); drawPurdue();
  });
  const arms = choice(byId("purdue-controls"), "Approach", approaches(), view.approach, (k) => { view.approach = k; drawPurdue(); });
  drawAll();
})();
