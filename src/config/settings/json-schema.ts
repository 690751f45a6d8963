/** The JSON Schema (2020-12) of a shape: what an editor or a pipeline can check without this program. */
import { MAX_SECONDS } from "./duration.ts";
import { hasRequired, mayBeCommas, mayBeEmpty } from "./read-value.ts";
import { type SettingTable, fileFields } from "./setting.ts";
import type { Field, Fields, Shape } from "./shape.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

/** One document: `$defs` has the file of the server, that of the agent and that of `assay watch`, and a file is one of them. */
export function configSchema(tables: Readonly<Record<string, SettingTable>>): JsonSchema {
  const roles = Object.keys(tables);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "urn:assay:config",
    title: "Configuration file of assay",
    description: `A file is for ${roles.map((role) => `'assay ${role}'`).join(" or for ")}; $defs has one schema for each.`,
    anyOf: roles.map((role) => ({ $ref: `#/$defs/${role}` })),
    $defs: Object.fromEntries(
      Object.entries(tables).map(([role, table]) => [
        role,
        { title: `Configuration file of assay ${role}`, ...sectionSchema(fileFields(table)) },
      ]),
    ),
  };
}

/** What the reader of the shape accepts; bounds of durations written as text are in the description alone. */
export function schemaOf(shape: Shape): JsonSchema {
  switch (shape.kind) {
    case "text":
      return {
        type: "string",
        ...(mayBeEmpty(shape) ? {} : { minLength: 1 }),
        maxLength: shape.maxLength,
        ...(shape.pattern === undefined ? {} : { pattern: shape.pattern }),
        ...(shape.secret === true ? { writeOnly: true } : {}),
      };
    case "choice":
      return { enum: shape.choices };
    case "count":
      return { type: "integer", minimum: shape.least, maximum: shape.most };
    case "duration": {
      const least = shape.unit === "ms" ? Math.ceil(shape.least / 1000) : shape.least;
      const units = shape.unit === "ms" ? "|[0-9]{1,10}ms" : "";
      return {
        anyOf: [
          { type: "integer", minimum: least, maximum: MAX_SECONDS },
          { type: "string", pattern: `^([0-9]{1,10}|([0-9]{1,10}[smhd])+${units})$` },
        ],
      };
    }
    case "flag":
      return { type: "boolean" };
    case "list": {
      const array = {
        type: "array",
        items: schemaOf(shape.of),
        ...(shape.least > 0 ? { minItems: shape.least } : {}),
        maxItems: shape.most,
      };
      const commas = { type: "string", ...(shape.least > 0 ? { pattern: "[^,\\s]" } : {}) };
      return mayBeCommas(shape) ? { anyOf: [array, commas] } : array;
    }
    case "section":
      return sectionSchema(shape.fields);
    case "map":
      return {
        type: "object",
        propertyNames: { pattern: shape.keyPattern },
        additionalProperties: schemaOf(shape.of),
        maxProperties: shape.most,
      };
  }
}

function sectionSchema(fields: Fields): JsonSchema {
  const required = Object.entries(fields)
    .filter(([, field]) => field.required === true)
    .map(([key]) => key);
  return {
    type: hasRequired(fields) ? "object" : ["object", "null"],
    properties: Object.fromEntries(
      Object.entries(fields).map(([key, field]) => [key, fieldSchema(field)]),
    ),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  };
}

function fieldSchema(field: Field): JsonSchema {
  const { shape, default: given } = field;
  return {
    description: description(field),
    ...schemaOf(shape),
    ...(given === undefined || typeof given === "function" ? {} : { default: given }),
  };
}

function description({ shape, help }: Field): string {
  const sentence = `${help.charAt(0).toUpperCase()}${help.slice(1)}.`;
  if (shape.kind !== "duration") return sentence;
  return `${sentence} A duration such as 90s, 5m or 1h30m, at least ${shape.least}${shape.unit}; a number is in seconds.`;
}
