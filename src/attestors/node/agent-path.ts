import { fail } from "../../base/errors.ts";
import { checkPath } from "../../spiffe/spiffe-id.ts";

/**
 * Where an agent stands below `/spire/agent/<type>/`, from a text with placeholders: `{{name}}`, as SPIRE's
 * `agent_path_template` also `{{ .Name }}`. Each value is part of exactly one path segment, and each segment holds at
 * most one, so that no two sets of values give the same path.
 */
export class AgentPathTemplate {
  readonly #parts: readonly string[];
  /** The placeholders' names. */
  readonly names: readonly string[];

  private constructor(parts: readonly string[]) {
    this.#parts = parts;
    this.names = parts.filter((_, index) => index % 2 === 1);
  }

  /**
   * @param type of the attestor; a template that begins with it, as SPIRE's do (`/{{ .PluginName }}/...`), loses it
   * @throws invalid, naming the rule
   */
  static parse(text: string, type: string): AgentPathTemplate {
    if (text.length > MAX_TEMPLATE) {
      throw fail("invalid", `agent path template is longer than ${MAX_TEMPLATE} characters`);
    }
    const below = text
      .replace(/^\/\{\{\s*\.?PluginName\s*\}\}\//, "")
      .replace(new RegExp(`^/${type}/`), "");
    const template = new AgentPathTemplate(below.split(PLACEHOLDER));
    if (template.names.length === 0) {
      throw fail("invalid", "agent path template has no {{placeholder}}: all agents would be one");
    }
    for (const segment of below.replaceAll(PLACEHOLDERS, "\0").split("/")) {
      if (segment.split("\0").length > 2) {
        throw fail("invalid", "agent path template has two placeholders in one segment");
      }
    }
    checkPath(`/${template.#join(() => "x")}`);
    return template;
  }

  /**
   * The path without its leading slash.
   * @param valueOf the value of a placeholder; undefined when there is none
   * @throws denied, naming the placeholder, when a value is missing or is not one path segment
   */
  render(valueOf: (name: string) => string | undefined): string {
    const path = this.#join((name) => {
      const value = valueOf(name);
      if (value === undefined) throw fail("denied", `there is no ${name} for the agent's path`);
      if (!VALUE.test(value)) {
        throw fail(
          "denied",
          `${name} has no place in the agent's path: it is not 1 to 255 letters, numbers, dots, dashes and underscores`,
        );
      }
      return value;
    });
    try {
      checkPath(`/${path}`);
    } catch (cause) {
      throw fail("denied", "the agent's path is not one of a SPIFFE ID", { cause });
    }
    return path;
  }

  #join(valueOf: (name: string) => string): string {
    return this.#parts.map((part, index) => (index % 2 === 0 ? part : valueOf(part))).join("");
  }
}

const PLACEHOLDER = /\{\{\s*\.?([^{}\s]{1,255})\s*\}\}/;
const PLACEHOLDERS = new RegExp(PLACEHOLDER.source, "g");
const VALUE = /^[A-Za-z0-9._-]{1,255}$/;
const MAX_TEMPLATE = 1024;
