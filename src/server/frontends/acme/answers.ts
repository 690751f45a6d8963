/** What handlers of signed requests answer; nonce and index are added to all of them. */
export interface AcmeAnswer {
  readonly status: number;
  /** JSON; absent: there is no body. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** In place of JSON. */
  readonly text?: { readonly type: string; readonly body: string };
  readonly location?: string;
  /** Values of `Link`. */
  readonly links?: readonly string[];
  readonly retryAfterSeconds?: number;
}

/** A value of `Link` (RFC 8288). */
export function link(url: string, relation: string): string {
  return `<${url}>;rel="${relation}"`;
}
