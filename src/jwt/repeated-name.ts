/**
 * Whether an object anywhere in a JSON text has a name twice. Readers differ in which of the two counts, so that such a
 * token says one thing here and another there (RFC 8259 §4, RFC 7515 §4, RFC 7519 §4).
 * @param json a text that a parser has accepted, whose nesting is bounded
 */
export function hasRepeatedName(json: string): boolean {
  /** Names of the open objects; undefined stands for a list. */
  const open: (Set<string> | undefined)[] = [];
  TOKENS.lastIndex = 0;
  for (let match = TOKENS.exec(json); match !== null; match = TOKENS.exec(json)) {
    const [token, isName] = match;
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (isName !== undefined) {
      const names = open.at(-1);
      // Spelled with escapes or not, it is the same name.
      const name = JSON.parse(token.slice(0, token.length - isName.length)) as string;
      if (names?.has(name) === true) return true;
      names?.add(name);
    }
  }
  return false;
}

/** A text, with what follows it where it is a name; or a bracket. */
const TOKENS = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g;
