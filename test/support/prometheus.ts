/** Reads Prometheus' text format (exposition format 0.0.4) as strictly as its grammar; only what we emit. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Scrape {
  /** By metric name: counter, gauge, summary, histogram. */
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
  /** The one sample with this name and these labels; undefined when there is none. */
  readonly value: (name: string, labels?: Readonly<Record<string, string>>) => number | undefined;
}

/** @throws Error on anything that is not well-formed, typed and unique */
export function parsePrometheus(text: string): Scrape {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  for (const line of text.slice(0, -1).split("\n")) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line);
    if (comment !== null) {
      const [, keyword, name = "", rest = ""] = comment;
      if (keyword !== "TYPE") continue;
      if (types.has(name)) throw new Error(`${name} is typed twice`);
      if (!/^(counter|gauge|summary|histogram)$/.test(rest)) throw new Error(`type ${rest}`);
      types.set(name, rest);
      continue;
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (sample === null) throw new Error(`not a sample: ${line}`);
    const [, name = "", inside = "", number = ""] = sample;
    const family = types.has(name) ? name : name.replace(/_(sum|count|bucket)$/, "");
    if (!types.has(family)) throw new Error(`${name} has no type before it`);
    const value = Number(number);
    if (number === "" || Number.isNaN(value)) throw new Error(`${line}: no number`);
    const key = `${name}{${inside}}`;
    if (seen.has(key)) throw new Error(`${key} is there twice`);
    seen.add(key);
    samples.push({ name, labels: parseLabels(inside), value });
  }
  return {
    types,
    samples,
    value: (name, labels = {}) =>
      samples.find(
        (sample) =>
          sample.name === name &&
          Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
      )?.value,
  };
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  let rest = text;
  while (rest !== "") {
    const pair = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/.exec(rest);
    if (pair === null) throw new Error(`labels: ${rest}`);
    const [whole, name = "", value = ""] = pair;
    labels[name] = value.replaceAll(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char));
    rest = rest.slice(whole.length);
  }
  return labels;
}
