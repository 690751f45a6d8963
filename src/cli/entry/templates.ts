/** Entries that name a family of SPIFFE IDs: SPIRE's messages have no place for that, so it goes beside them. */
import { fail, isKind } from "../../base/errors.ts";
import type { BatchGetTemplateResponse__Output } from "../../rpc/gen/assay/template/v1/BatchGetTemplateResponse.ts";
import type { OptionSpec } from "../program/grammar.ts";
import type { Options } from "../program/options.ts";
import { TEMPLATE_SERVICE, type RpcClient } from "../connection/rpc-clients.ts";
import { readFlag, readText } from "./file-values.ts";

export interface EntryTemplate {
  /** A SPIFFE ID with variables. */
  readonly id: string;
  readonly trustAgent: boolean;
}

export const TEMPLATE_OPTIONS: readonly OptionSpec[] = [
  {
    name: "template",
    value: "ID",
    help: "SPIFFE IDs below --spiffe-id, such as spiffe://TD/ns/{{k8s.ns}}/sa/{{k8s.sa}}",
  },
  {
    name: "template-trust-agent",
    help: "the agent's word on the values is enough; wanted for what the server cannot check",
  },
];

/** In a file and in the JSON. */
export const TEMPLATE_KEYS = ["template", "templateTrustAgent"] as const;

export function templateOption(options: Options): EntryTemplate | undefined {
  const id = options.text("template");
  return id === undefined ? undefined : { id, trustAgent: options.flag("template-trust-agent") };
}

/** From a file. @param read as `readFields` takes it */
export function readTemplate(
  read: <T>(key: string, reader: (given: unknown) => T) => T,
): EntryTemplate | undefined {
  const optional = (given: unknown): string | undefined =>
    given === undefined ? undefined : readText(given);
  const id = read(TEMPLATE_KEYS[0], optional);
  const trustAgent = read(TEMPLATE_KEYS[1], readFlag);
  if (id === undefined && trustAgent) {
    return read(TEMPLATE_KEYS[1], () => {
      throw fail("invalid", "is for entries with a template");
    });
  }
  return id === undefined ? undefined : { id, trustAgent };
}

export function templateMessage({ id, trustAgent }: EntryTemplate): object {
  return { id, trust_agent: trustAgent };
}

export function templateJson(template: EntryTemplate | undefined): Record<string, unknown> {
  if (template === undefined) return {};
  return { template: template.id, templateTrustAgent: template.trustAgent };
}

/** Those of the entries that have one; none where the server knows of no templates. */
export async function readTemplates(
  server: RpcClient,
  ids: readonly string[],
): Promise<ReadonlyMap<string, EntryTemplate>> {
  const found = new Map<string, EntryTemplate>();
  for (let at = 0; at < ids.length; at += PART) {
    try {
      const { templates } = await server.call<BatchGetTemplateResponse__Output>(
        TEMPLATE_SERVICE,
        "BatchGetTemplate",
        { ids: ids.slice(at, at + PART) },
      );
      for (const { id, template } of templates) {
        if (template !== null) {
          found.set(id, { id: template.id, trustAgent: template.trust_agent });
        }
      }
    } catch (error) {
      if (isKind(error, "unsupported")) return found;
      throw error;
    }
  }
  return found;
}

const PART = 5000;
