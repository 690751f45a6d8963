/** Where a command prints: data on stdout, everything about it on stderr. */
export interface Output {
  readonly format: "text" | "json";
  /** One JSON value, or the lines of the text form; a command gives both and the option decides. */
  data(json: unknown, text: () => readonly string[]): void;
  /** Text for people only; nothing in the JSON form. */
  line(text?: string): void;
  /** A sentence beside the data, on stderr. */
  readonly note: (text: string) => void;
}

export interface Streams {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

/** For commands that go on: each value in JSON is one line, written as it comes. */
export function createLines(format: Output["format"]): Output {
  const streams: Streams = {
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
  };
  return createOutput(format, streams, 0);
}

export function createOutput(
  format: "text" | "json",
  streams: Streams,
  indent: number | undefined = 2,
): Output {
  return {
    format,
    data(json, text) {
      if (format === "json") streams.stdout(`${JSON.stringify(json, null, indent)}\n`);
      else for (const line of text()) streams.stdout(`${line}\n`);
    },
    line(text = "") {
      if (format === "text") streams.stdout(`${text}\n`);
    },
    note: (text) => streams.stderr(`${text}\n`),
  };
}
