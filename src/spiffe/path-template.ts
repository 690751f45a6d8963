import { errorFrom, fail } from "../base/errors.ts";
import { checkPath } from "./spiffe-id.ts";

/** What stands between the braces of a place; the first group is the name. */
type PlaceForm = RegExp;

/** `{{ .Name }}`: letters, digits, `_` and `-` with dots between, as in SPIRE's agent path templates. */
const FIELD: PlaceForm = /^\s*\.([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\s*$/;

/**
 * A path with places to fill in; no functions, no conditions. A value is one path segment or a part of one, so that no
 * two hosts come to the same path by where a slash falls.
 */
export class PathTemplate {
  readonly #parts: readonly Part[];

  private constructor(parts: readonly Part[]) {
    this.#parts = parts;
  }

  /** @throws invalid, naming what it could not read */
  static parse(text: string, form: PlaceForm = FIELD): PathTemplate {
    const parts: Part[] = [];
    let at = 0;
    for (const place of text.matchAll(/\{\{(.*?)\}\}/g)) {
      parts.push({ literal: text.slice(at, place.index) });
      const [, inside = ""] = place;
      const name = form.exec(inside)?.[1];
      if (name === undefined) {
        throw fail(
          "invalid",
          `path template: '{{${inside.slice(0, MAX_SHOWN)}}}' is no field; write {{ .Name }}, functions are not offered`,
        );
      }
      parts.push({ field: name });
      at = place.index + place[0].length;
    }
    parts.push({ literal: text.slice(at) });
    checkTemplatePath(parts.map((part) => ("literal" in part ? part.literal : "x")).join(""));
    return new PathTemplate(parts);
  }

  /** The names in it, each once. */
  get fields(): readonly string[] {
    return [...new Set(this.#parts.flatMap((part) => ("field" in part ? [part.field] : [])))];
  }

  /** How many places each segment has. */
  get placesBySegment(): readonly number[] {
    const shape = this.#parts.map((part) => ("literal" in part ? part.literal : PLACE)).join("");
    return shape.split("/").map((segment) => segment.split(PLACE).length - 1);
  }

  /**
   * The path, with a leading slash.
   * @param valueOf `undefined` or empty = there is none. Only the values of `manySegments` may hold slashes.
   * @throws denied when a value is missing or cannot stand in a path
   */
  fill(
    valueOf: (field: string) => string | undefined,
    manySegments: ReadonlySet<string> = new Set(),
  ): string {
    const texts = this.#parts.map((part) => {
      if ("literal" in part) return part.literal;
      const value = valueOf(part.field) ?? "";
      if (value === "")
        throw fail("denied", `path template: there is no .${part.field} to fill in`);
      if (value.includes("/") && !manySegments.has(part.field)) {
        throw fail("denied", `path template: the value of .${part.field} holds a slash`);
      }
      return value;
    });
    try {
      return checkTemplatePath(texts.join(""));
    } catch (cause) {
      throw fail("denied", errorFrom(cause).message, { cause });
    }
  }
}

type Part = { readonly literal: string } | { readonly field: string };

/** @returns the path with a leading slash @throws invalid */
function checkTemplatePath(text: string): string {
  const path = text.startsWith("/") ? text : `/${text}`;
  try {
    checkPath(path);
  } catch (cause) {
    throw fail("invalid", `path template: ${errorFrom(cause).message}`, { cause });
  }
  return path;
}

/** No text of a path. */
const PLACE = "\0";
const MAX_SHOWN = 80;
