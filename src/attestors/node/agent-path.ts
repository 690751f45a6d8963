import { fail } from "../../base/errors.ts";
import { PathTemplate } from "../../spiffe/path-template.ts";

/**
 * Where an agent stands below `/spire/agent/<type>/`, from a path template whose places are written `{{name}}`, as
 * SPIRE's `agent_path_template` also `{{ .Name }}`; a name may be a claim's. Each segment holds at most one place, so
 * that no two sets of values give the same path.
 */
export class AgentPathTemplate {
  readonly #template: PathTemplate;

  private constructor(template: PathTemplate) {
    this.#template = template;
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
    const template = PathTemplate.parse(`/${below}`, ANY_NAME);
    const places = template.placesBySegment;
    if (places.every((count) => count === 0)) {
      throw fail("invalid", "agent path template has no {{placeholder}}: all agents would be one");
    }
    if (places.some((count) => count > 1)) {
      throw fail("invalid", "agent path template has two placeholders in one segment");
    }
    return new AgentPathTemplate(template);
  }

  /**
   * The path without its leading slash.
   * @param valueOf the value of a placeholder; undefined when there is none
   * @throws denied, naming the placeholder, when a value is missing or is not one path segment
   */
  render(valueOf: (name: string) => string | undefined): string {
    const path = this.#template.fill((name) => {
      const value = valueOf(name);
      if (value === undefined) throw fail("denied", `there is no ${name} for the agent's path`);
      if (VALUE.test(value)) return value;
      throw fail(
        "denied",
        `${name} has no place in the agent's path: it is not 1 to 255 letters, numbers, dots, dashes and underscores`,
      );
    });
    return path.slice(1);
  }
}

const ANY_NAME = /^\s*\.?([^{}\s]{1,255})\s*$/;
const VALUE = /^[A-Za-z0-9._-]{1,255}$/;
const MAX_TEMPLATE = 1024;
