import { fail } from "../base/errors.ts";
import { SpiffeId } from "./spiffe-id.ts";

/** A place to fill in: `{{type.name}}` or `{{type.name:key}}`. */
export interface TemplateVariable {
  /** `k8s.ns`, `docker.label:app`: what stands between the braces. */
  readonly text: string;
  readonly type: string;
  readonly name: string;
  /** After the name, for names that have one value for each key; otherwise absent. */
  readonly key?: string;
}

/**
 * A family of SPIFFE IDs: `spiffe://example.org/ns/{{k8s.ns}}/sa/{{k8s.sa}}`. A variable is a whole segment and its value
 * exactly one, so that no two sets of values come to the same ID, and none leaves the prefix.
 */
export class IdTemplate {
  readonly text: string;
  /** In their order; none twice. */
  readonly variables: readonly TemplateVariable[];
  readonly #segments: readonly (string | TemplateVariable)[];

  private constructor(text: string, segments: readonly (string | TemplateVariable)[]) {
    this.text = text;
    this.#segments = segments;
    this.variables = segments.filter((segment) => typeof segment !== "string");
  }

  /**
   * @param prefix a SPIFFE ID with a path, which all of the family are below
   * @throws invalid, naming the rule that is broken
   */
  static parse(text: string, prefix: string): IdTemplate {
    if (text.length > MAX_TEMPLATE) {
      throw fail("invalid", `template is longer than ${MAX_TEMPLATE} characters`);
    }
    if (!text.startsWith(`${prefix}/`)) {
      throw fail("invalid", `template is not below the entry's SPIFFE ID '${prefix}'`);
    }
    const segments = splitSegments(text.slice(prefix.length + 1)).map(readSegment);
    const template = new IdTemplate(text, [prefix, ...segments]);
    const { variables } = template;
    if (variables.length === 0) {
      throw fail("invalid", "template has no variable; write one as {{type.name}}");
    }
    if (variables.length > MAX_VARIABLES) {
      throw fail("invalid", `template has more than ${MAX_VARIABLES} variables`);
    }
    if (new Set(variables.map((variable) => variable.text)).size < variables.length) {
      throw fail("invalid", "template names a variable twice");
    }
    // What is not a variable has to be a path by itself.
    template.fill(() => "x");
    return template;
  }

  /**
   * The member of the family with these values.
   * @throws denied when a value is missing or not exactly one path segment
   */
  fill(valueOf: (variable: TemplateVariable) => string | undefined): SpiffeId {
    const texts = this.#segments.map((segment) => {
      if (typeof segment === "string") return segment;
      const value = valueOf(segment);
      if (value === undefined) {
        throw fail("denied", `there is no value for {{${segment.text}}}`);
      }
      if (!isOneSegment(value)) {
        throw fail(
          "denied",
          `the value of {{${segment.text}}} is no path segment: 1 to ${MAX_VALUE} letters, digits, dots, dashes and underscores, not '.' or '..'`,
        );
      }
      return value;
    });
    return SpiffeId.parse(texts.join("/"));
  }

  /** The values that `fill` makes this ID of, by variable; undefined when it is none of the family. */
  match(id: SpiffeId): ReadonlyMap<string, string> | undefined {
    const [prefix, ...segments] = this.#segments;
    const text = id.toString();
    if (typeof prefix !== "string" || !text.startsWith(`${prefix}/`)) return undefined;
    const parts = text.slice(prefix.length + 1).split("/");
    if (parts.length !== segments.length) return undefined;
    const values = new Map<string, string>();
    for (const [index, segment] of segments.entries()) {
      const part = parts[index] ?? "";
      if (typeof segment === "string" ? part !== segment : !isOneSegment(part)) return undefined;
      if (typeof segment !== "string") values.set(segment.text, part);
    }
    return values;
  }
}

/** Whether it can be a variable's value: SPIFFE-ID §2.2, and bounded. */
export function isOneSegment(value: string): boolean {
  return SEGMENT.test(value) && value !== "." && value !== "..";
}

/** Keys may hold slashes, as those of Kubernetes do. */
function splitSegments(text: string): readonly string[] {
  return text.match(/(?:\{\{[^{}]*\}\}|[^/])+|(?<=\/|^)(?=\/|$)/g) ?? [];
}

function readSegment(text: string): string | TemplateVariable {
  if (!text.includes("{") && !text.includes("}")) return text;
  const variable =
    text.startsWith("{{") && text.endsWith("}}") ? parseVariable(text.slice(2, -2)) : undefined;
  if (variable === undefined) {
    throw fail(
      "invalid",
      `template segment '${text.slice(0, MAX_SHOWN)}' is not wholly one variable, written as {{type.name}} or {{type.name:key}}`,
    );
  }
  return variable;
}

/** @param text what stands between the braces @returns undefined when it names nothing */
export function parseVariable(text: string): TemplateVariable | undefined {
  const { type, name, key } = VARIABLE.exec(text)?.groups ?? {};
  if (type === undefined || name === undefined) return undefined;
  return { text, type, name, ...(key === undefined ? {} : { key }) };
}

const VARIABLE =
  /^(?<type>[a-z][a-z0-9_]{0,31})\.(?<name>[A-Za-z0-9_-]{1,63})(?::(?<key>[A-Za-z0-9._/-]{1,317}))?$/;
const SEGMENT = /^[A-Za-z0-9._-]{1,255}$/;
const MAX_VALUE = 255;
/** Characters; with values filled in the SPIFFE ID's own bound holds. */
const MAX_TEMPLATE = 1024;
const MAX_VARIABLES = 8;
const MAX_SHOWN = 80;
