import { createHash } from "node:crypto";
import { toHex } from "../../../base/bytes.ts";
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { errorFrom, fail } from "../../../base/errors.ts";
import type { Random } from "../../../base/random.ts";
import { type ProofPublicKey, proofPublicKey } from "../../../keys/possession.ts";
import { PathTemplate } from "../../../spiffe/path-template.ts";
import type { TrustDomain } from "../../../spiffe/trust-domain.ts";
import { checkLeaf } from "../../../spiffe/x509-svid.ts";
import { type Certificate, parseCertificate } from "../../../x509/certificate.ts";
import { commonNameOf } from "../../../x509/names.ts";
import { verifyChain } from "../../../x509/chain.ts";
import { signatureTwin } from "../../../x509/signature-twin.ts";
import type { NodeAttestorServer } from "../../contract.ts";
import {
  NONCE_BYTES,
  type ProofAnswer,
  X509POP_TYPE,
  encodeChallenge,
  parseAnswer,
  parseChain,
  signedBytes,
} from "./payload.ts";
import { evenHex, nodeSelectors, sanValues } from "./selectors.ts";

export interface X509PopServerOptions {
  /** `external_pki`: the agent is named by its certificate's hash. `spiffe`: by the path of its SVID. */
  readonly mode: "external_pki" | "spiffe";
  readonly trustDomain: TrustDomain;
  /** How the agent's path is made; absent: of the fingerprint, in mode `spiffe` of the SVID's path. */
  readonly pathTemplate?: PathTemplate;
  /** Mode `spiffe`: with slashes at both ends; absent: SPIRE's `/spire-exchange/`. */
  readonly svidPrefix?: string;
  /** Authorities as of now: the operator's, or in mode `spiffe` those of the own trust domain. */
  readonly roots: () => readonly Certificate[];
  /** Mode `spiffe`: a certificate of the chain was revoked, or its authority is in wrong hands. */
  readonly isLost?: (chain: readonly Certificate[]) => boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The server's half of `x509pop`: whoever holds the key of a certificate below one of the roots may become the one
 * agent that the certificate names, as often as it likes.
 * @throws invalid when the template cannot be filled in
 */
export function x509popServer(options: X509PopServerOptions): NodeAttestorServer {
  if (options.pathTemplate !== undefined) checkTemplate(options.pathTemplate);
  return {
    type: X509POP_TYPE,
    async admit(payload, challenge) {
      const chain = parseChain(payload).map(parseCertificate);
      const [leaf] = chain;
      if (leaf === undefined) throw fail("invalid", "x509pop payload has no certificate");
      const path = await verified(chain, options);
      if (options.isLost?.(chain) === true) {
        throw denied("was revoked, or its authority is tainted");
      }
      if (leaf.keyUsage?.has("digitalSignature") !== true) {
        throw denied("is not meant for digital signatures (key usage)");
      }
      // Before the challenge: nobody signs for a name that will not be given.
      const agentPath = agentPathOf(leaf, leaf.raw, options);
      const twin = signatureTwin(leaf, (path[1] ?? leaf).publicKey);
      // Only now is the key one that somebody trusted describes.
      const key = proofPublicKey(leaf.publicKey);
      const nonce = options.random.bytes(NONCE_BYTES);
      const answer = parseAnswer(key.family, await challenge(encodeChallenge(key.family, nonce)));
      if (!(await isProof(key, nonce, answer))) {
        throw fail("denied", "x509pop answer is not signed with the certificate's key");
      }
      return {
        agentPath,
        selectors: nodeSelectors(leaf, path.slice(1), options.trustDomain.name),
        canReattest: true,
        ...(twin === undefined ? {} : { twinPath: agentPathOf(leaf, twin, options) }),
      };
    },
  };
}

async function verified(
  chain: readonly Certificate[],
  { roots, clock }: X509PopServerOptions,
): Promise<readonly Certificate[]> {
  try {
    return await verifyChain(chain, roots(), epochSeconds(clock));
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error.kind !== "unauthenticated") throw error;
    throw fail("denied", `x509pop: ${error.message}`, { cause: error });
  }
}

/** @param raw the certificate as it stands, or as it could */
function agentPathOf(leaf: Certificate, raw: Uint8Array, options: X509PopServerOptions): string {
  const { mode, trustDomain } = options;
  const svidPath = mode === "spiffe" ? exchangedPath(leaf, options) : undefined;
  const { pathTemplate = mode === "spiffe" ? BY_SVID : BY_FINGERPRINT } = options;
  const san = sanValues(leaf.uris, trustDomain.name);
  const values: Readonly<Record<TemplateField, () => string | undefined>> = {
    PluginName: () => X509POP_TYPE,
    TrustDomain: () => trustDomain.name,
    Fingerprint: () => toHex(createHash("sha1").update(raw).digest()),
    SerialNumberHex: () => evenHex(leaf.serial),
    "Subject.CommonName": () => commonNameOf(leaf.subject),
    SVIDPathTrimmed: () => svidPath,
  };
  const path = pathTemplate.fill(
    (field) =>
      isTemplateField(field) ? values[field]() : san.get(field.slice(SAN_FIELD_PREFIX.length)),
    MANY_SEGMENTS,
  );
  return `/spire/agent${path}`;
}

/**
 * A template that this attestor can fill in, and whose agents stay in its own namespace whatever a certificate says.
 * @throws invalid
 */
function checkTemplate(template: PathTemplate): void {
  const unknown = template.fields.find(
    (field) => !isTemplateField(field) && !field.startsWith(SAN_FIELD_PREFIX),
  );
  if (unknown !== undefined) {
    throw fail(
      "invalid",
      `x509pop path template: there is no field .${unknown}; there are ${TEMPLATE_FIELDS.map((field) => `.${field}`).join(", ")} and .${SAN_FIELD_PREFIX}KEY`,
    );
  }
  const inside = template.fill((field) => (field === "PluginName" ? X509POP_TYPE : "-"));
  if (!inside.startsWith(`/${X509POP_TYPE}/`)) {
    throw fail(
      "invalid",
      `x509pop path template: it has to begin with ${X509POP_TYPE}/, so that no certificate can take the ID of another attestor's agent`,
    );
  }
}

function isTemplateField(field: string): field is TemplateField {
  return (TEMPLATE_FIELDS as readonly string[]).includes(field);
}

/** The path of the SVID that is exchanged, without the prefix. */
function exchangedPath(
  leaf: Certificate,
  { trustDomain, svidPrefix = EXCHANGE_PREFIX }: X509PopServerOptions,
): string {
  const id = spiffeIdOf(leaf);
  if (id.trustDomain.name !== trustDomain.name) {
    throw denied(`is of trust domain ${id.trustDomain.name}, not ${trustDomain.name}`);
  }
  if (!id.path.startsWith(svidPrefix)) {
    throw denied(`has a SPIFFE ID whose path does not begin with ${svidPrefix}`);
  }
  return id.path.slice(svidPrefix.length);
}

function spiffeIdOf(leaf: Certificate): ReturnType<typeof checkLeaf> {
  try {
    return checkLeaf(leaf);
  } catch (thrown) {
    throw fail("denied", `x509pop: ${errorFrom(thrown).message}`, { cause: thrown });
  }
}

function isProof(key: ProofPublicKey, nonce: Uint8Array, answer: ProofAnswer): Promise<boolean> {
  const data = signedBytes(nonce, answer.nonce);
  if (answer.family === "rsa") return key.verify(data, answer.signature);
  const { halfBytes } = key;
  const raw = new Uint8Array(2 * halfBytes);
  for (const [end, half] of [
    [halfBytes, answer.r],
    [2 * halfBytes, answer.s],
  ] as const) {
    if (half.length > halfBytes) return Promise.resolve(false);
    raw.set(half, end - half.length);
  }
  return key.verify(data, raw);
}

function denied(rule: string): Error {
  return fail("denied", `x509pop: certificate ${rule}`);
}

/** SPIRE's default: SVIDs below it may be exchanged for an agent's. */
const EXCHANGE_PREFIX = "/spire-exchange/";
const BY_FINGERPRINT = PathTemplate.parse("{{ .PluginName }}/{{ .Fingerprint }}");
const BY_SVID = PathTemplate.parse("{{ .PluginName }}/{{ .SVIDPathTrimmed }}");
/** SPIRE's names, as far as they mean something here. */
const TEMPLATE_FIELDS = [
  "PluginName",
  "TrustDomain",
  "Fingerprint",
  "SerialNumberHex",
  "Subject.CommonName",
  "SVIDPathTrimmed",
] as const;
type TemplateField = (typeof TEMPLATE_FIELDS)[number];
const SAN_FIELD_PREFIX = "URISanSelectors.";
/** Whose value the trust domain itself has signed as a path. */
const MANY_SEGMENTS: ReadonlySet<string> = new Set(["SVIDPathTrimmed"]);
