// Plans and controller data as the service tells them, and what a plan means for every signal group.

export interface Reason {
  stage: number | null;
  text: string;
  constraint: string | null;
}

export interface Pattern {
  cycle: number;
  offset: number;
  stages: { stage: number; split: number }[];
}

export interface Plan {
  plan_id: string;
  seq: number;
  made_at: number;
  valid_from: number;
  lease_until: number;
  body: { schedule?: { stages: { stage: number; begin: number }[] }; pattern?: Pattern; rings?: unknown };
  author: { kind: string; name: string; version: string };
  why: Reason[];
}

export interface ControllerData {
  groups: { yellow: number }[];
  intergreen: number[][];
  stages: { stage: number; aspects: string }[];
  patterns: { pattern: number; cycle: number; stages: { stage: number; split: number }[] }[];
}

export interface Segment {
  begin: number;
  end: number;
  aspect: number;
}

/** Stages with their begins up to a time, of a schedule as it stands and of a pattern by its clock. */
export function stagesOf(plan: Plan, from: number, until: number): { stage: number; begin: number }[] {
  const { schedule, pattern } = plan.body;
  if (schedule) return schedule.stages;
  if (!pattern) return [];
  const found: { stage: number; begin: number }[] = [];
  let at = from - ((((from - pattern.offset) % pattern.cycle) + pattern.cycle) % pattern.cycle);
  while (at < until) {
    for (const { stage, split } of pattern.stages) {
      found.push({ stage, begin: at });
      at += split;
    }
  }
  return found;
}

/** What one signal group is going to show from `now` on, under the plan's stages and the cabinet's own timings. */
export function foreseen(plan: Plan, data: ControllerData, group: number, now: number, until: number): Segment[] {
  const stages = stagesOf(plan, now, until);
  const green = (stage: number, g: number) => "gG".includes(data.stages[stage]?.aspects[g] ?? "r");
  const found: Segment[] = [];
  stages.forEach(({ stage, begin }, k) => {
    const end = stages[k + 1]?.begin ?? until;
    const before = stages[k - 1]?.stage;
    const aspect = "rygG".indexOf(data.stages[stage]?.aspects[group] ?? "r");
    let from = begin;
    if (before !== undefined && before !== stage) {
      if (green(before, group) && !green(stage, group)) {
        from = begin + (data.groups[group]?.yellow ?? 30);
        found.push({ begin, end: Math.min(from, end), aspect: 1 });
      } else if (!green(before, group) && green(stage, group)) {
        data.groups.forEach((_, other) => {
          if (green(before, other) && !green(stage, other)) {
            from = Math.max(from, begin + (data.intergreen[other]?.[group] ?? 0));
          }
        });
        found.push({ begin, end: Math.min(from, end), aspect: 0 });
      }
    }
    found.push({ begin: from, end, aspect });
  });
  return found
    .map((s) => ({ ...s, begin: Math.max(s.begin, now), end: Math.min(s.end, until) }))
    .filter((s) => s.end > s.begin);
}
