/** Which route a request is for. */
import type { ApiRoute } from "./http-call.ts";

export type RouteMatch =
  | {
      readonly kind: "found";
      readonly route: ApiRoute;
      readonly params: Readonly<Record<string, string>>;
    }
  | { readonly kind: "other_method"; readonly allowed: readonly string[] }
  /** The path cannot be read. */
  | { readonly kind: "malformed" }
  | { readonly kind: "none" };

export class ApiRoutes {
  /** By the number of segments. */
  readonly #patterns = new Map<number, Pattern[]>();

  constructor(routes: readonly ApiRoute[]) {
    for (const route of routes) {
      const segments = route.path.split("/");
      const alike = this.#patterns.get(segments.length) ?? [];
      alike.push({ route, segments });
      this.#patterns.set(segments.length, alike);
    }
  }

  /** @param path as it came, still encoded */
  find(method: string, path: string): RouteMatch {
    const segments = path.split("/", MAX_SEGMENTS + 1);
    const alike = this.#patterns.get(segments.length) ?? [];
    const here = alike.filter((pattern) => fits(pattern.segments, segments));
    if (here.length === 0) return { kind: "none" };
    const found =
      here.find(({ route }) => route.method === method) ??
      (method === "HEAD" ? here.find(({ route }) => route.method === "GET") : undefined);
    if (found === undefined) {
      const allowed = new Set(here.map(({ route }) => route.method));
      if (allowed.has("GET")) allowed.add("HEAD");
      return { kind: "other_method", allowed: [...allowed] };
    }
    const params: Record<string, string> = {};
    for (const [at, segment] of found.segments.entries()) {
      if (!segment.startsWith(":")) continue;
      const value = decoded(segments[at] ?? "");
      if (value === undefined) return { kind: "malformed" };
      params[segment.slice(1)] = value;
    }
    return { kind: "found", route: found.route, params };
  }
}

interface Pattern {
  readonly route: ApiRoute;
  readonly segments: readonly string[];
}

/** Of as many segments. */
function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  return pattern.every((segment, at) => segment.startsWith(":") || segment === segments[at]);
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined; // a percent sign that encodes nothing
  }
}

const MAX_SEGMENTS = 16;
