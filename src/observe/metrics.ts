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

interface Series {
  readonly labels: readonly string[];
  value: number;
  count: number;
  readonly buckets: number[];
}

/** All metrics of one process. Metrics say what happened; nothing is decided by them, and they never fail. */
export class Metrics {
  readonly #series = new Map<MetricSpec, Map<string, Series>>();
  readonly #readings = new Map<MetricSpec, () => readonly Reading[]>();

  /** Counts. */
  add(spec: MetricSpec, labels: readonly string[] = [], by = 1): void {
    const series = this.#of(spec, labels);
    if (series !== undefined) series.value += by;
  }

  /** Takes a measurement into a summary or a histogram. */
  observe(spec: MetricSpec, labels: readonly string[], value: number): void {
    const series = this.#of(spec, labels);
    if (series === undefined) return;
    series.value += value;
    series.count += 1;
    if (spec.buckets === undefined) return;
    const bucket = spec.buckets.findIndex((bound) => value <= bound);
    if (bucket >= 0) series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
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
      ([spec, reading]) =>
        [
          spec,
          readingsOf(reading).map(({ labels, value }) => line(spec, "", labels, value)),
        ] as const,
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
      series = {
        labels: [...labels],
        value: 0,
        count: 0,
        buckets: (spec.buckets ?? []).map(() => 0),
      };
      all.set(key, series);
    }
    return series;
  }
}

function linesOf(spec: MetricSpec, { labels, value, count, buckets }: Series): string[] {
  if (spec.type === "counter" || spec.type === "gauge") return [line(spec, "", labels, value)];
  const totals = [line(spec, "_sum", labels, value), line(spec, "_count", labels, count)];
  if (spec.type === "summary") return totals;
  let below = 0;
  const bounds = (spec.buckets ?? []).map((bound, index) => {
    below += buckets[index] ?? 0;
    return line(spec, "_bucket", labels, below, String(bound));
  });
  return [...bounds, line(spec, "_bucket", labels, count, "+Inf"), ...totals];
}

function readingsOf(reading: () => readonly Reading[]): readonly Reading[] {
  try {
    return reading();
  } catch {
    return []; // such as an authority that is not there yet: no value is an honest one
  }
}

function line(
  { name, labels: names }: MetricSpec,
  suffix: string,
  labels: readonly string[],
  value: number,
  bound?: string,
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

/** Of one metric; labels are closed sets far below this. */
const MAX_SERIES = 500;
