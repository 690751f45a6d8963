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
