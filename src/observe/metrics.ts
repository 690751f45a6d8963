/** Metrics in Prometheus' text format (exposition format 0.0.4). A metric's labels take few values, and no secrets. */
export interface MetricSpec {
  readonly name: string;
  readonly type: "counter" | "gauge" | "summary" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, rising. */
  readonly buckets?: readonly number[];
}

/** One value that is read when somebody asks. */
export interface Reading {
  /** In the order of the metric's labels. */
  readonly labels: readonly string[];
  readonly value: number;
}

/** One metric with its labels said, for whoever writes it at each call: it is looked up once. */
export interface Tally {
  /** Counts. */
  add(by?: number): void;
  /** Takes a measurement into a summary or a histogram. */
  observe(value: number): void;
}

class Series implements Tally {
  readonly labels: readonly string[];
  readonly buckets: number[];
  readonly #bounds: readonly number[] | undefined;
  value = 0;
  count = 0;

  constructor({ buckets }: MetricSpec, labels: readonly string[]) {
    this.labels = [...labels];
    this.#bounds = buckets;
    this.buckets = (buckets ?? []).map(() => 0);
  }

  add(by = 1): void {
    this.value += by;
  }

  observe(value: number): void {
    this.value += value;
    this.count += 1;
    if (this.#bounds === undefined) return;
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    if (bucket >= 0) this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
  }
}

/** All metrics of one process. Metrics say what happened; nothing is decided by them, and they never fail. */
export class Metrics {
  readonly #series = new Map<MetricSpec, Map<string, Series>>();
  readonly #readings = new Map<MetricSpec, () => readonly Reading[]>();

  /** Counts. */
  add(spec: MetricSpec, labels: readonly string[] = [], by = 1): void {
    this.#of(spec, labels)?.add(by);
  }

  /** Takes a measurement into a summary or a histogram. */
  observe(spec: MetricSpec, labels: readonly string[], value: number): void {
    this.#of(spec, labels)?.observe(value);
  }

  /** From now on it is shown, as `declare` has it. */
  tally(spec: MetricSpec, labels: readonly string[] = []): Tally {
    return this.#of(spec, labels) ?? NOT_KEPT;
  }

  /** A gauge that is read at each scrape. What cannot be read just then is left out. */
  read(spec: MetricSpec, reading: () => readonly Reading[]): void {
    this.#readings.set(spec, reading);
  }

  /** Shows a counter as 0 before the first event, so that its rise can be seen. */
  declare(spec: MetricSpec, labels: readonly string[] = []): void {
    this.#of(spec, labels);
  }

  render(): string {
    const counted = [...this.#series].map(
      ([spec, series]) =>
        [spec, [...series.values()].flatMap((each) => linesOf(spec, each))] as const,
    );
    const read = [...this.#readings].map(
      ([spec, reading]) => [spec, readingsOf(reading).map((each) => line(spec, each))] as const,
    );
    return [...counted, ...read]
      .filter(([, lines]) => lines.length > 0)
      .map(
        ([{ name, help, type }, lines]) =>
          `# HELP ${name} ${escape(help)}\n# TYPE ${name} ${type}\n${lines.join("")}`,
      )
      .join("");
  }

  #of(spec: MetricSpec, labels: readonly string[]): Series | undefined {
    if (labels.length !== spec.labels.length) {
      throw new TypeError(`${spec.name} has the labels ${spec.labels.join(", ")}`);
    }
    let all = this.#series.get(spec);
    if (all === undefined) {
      all = new Map();
      this.#series.set(spec, all);
    }
    // Most metrics have one label or none, and are written several times in each call.
    const key = labels.length <= 1 ? (labels[0] ?? "") : labels.join("\0");
    let series = all.get(key);
    if (series === undefined && all.size < MAX_SERIES) {
      series = new Series(spec, labels);
      all.set(key, series);
    }
    return series;
  }
}

function linesOf(spec: MetricSpec, { labels, value, count, buckets }: Series): string[] {
  if (spec.type === "counter" || spec.type === "gauge") return [line(spec, { labels, value })];
  const totals = [
    line(spec, { suffix: "_sum", labels, value }),
    line(spec, { suffix: "_count", labels, value: count }),
  ];
  if (spec.type === "summary") return totals;
  let below = 0;
  const bounds = (spec.buckets ?? []).map((bound, index) => {
    below += buckets[index] ?? 0;
    return line(spec, { suffix: "_bucket", labels, value: below, bound: String(bound) });
  });
  const all = line(spec, { suffix: "_bucket", labels, value: count, bound: "+Inf" });
  return [...bounds, all, ...totals];
}

function readingsOf(reading: () => readonly Reading[]): readonly Reading[] {
  try {
    return reading();
  } catch {
    return []; // such as an authority that is not there yet: no value is an honest one
  }
}

/** One value as it is written, `name_suffix{label="...",le="bound"} value`. */
interface Sample extends Reading {
  readonly suffix?: "" | "_sum" | "_count" | "_bucket";
  readonly bound?: string;
}

function line(
  { name, labels: names }: MetricSpec,
  { suffix = "", labels, value, bound }: Sample,
): string {
  const pairs = names.map(
    (label, index) => `${label}="${escape(labels[index] ?? "").replaceAll('"', '\\"')}"`,
  );
  if (bound !== undefined) pairs.push(`le="${bound}"`);
  return `${name}${suffix}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

/** Beyond the bound. */
const NOT_KEPT: Tally = { add: () => undefined, observe: () => undefined };
/** Of one metric; labels are closed sets far below this. */
const MAX_SERIES = 500;
