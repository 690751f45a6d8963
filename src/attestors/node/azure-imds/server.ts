import { toHex } from "../../../base/bytes.ts";
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { AssayError, fail } from "../../../base/errors.ts";
import type { Random } from "../../../base/random.ts";
import { type Certificate, parseCertificate } from "../../../x509/certificate.ts";
import { verifyChain } from "../../../x509/chain.ts";
import type { NodeAttestorServer } from "../../contract.ts";
import type { AgentPathTemplate } from "../agent-path.ts";
import { type SignedDocument, openSignedDocument } from "../signed-document.ts";
import { AZURE_IMDS_TYPE, parseAnswer, parseAttestedDocument } from "./payload.ts";

export interface AzureImdsServerOptions {
  /** By the domain that an agent names. */
  readonly tenants: ReadonlyMap<string, AzureTenant>;
  /** The certificate that signs is one of these names, or of one below. */
  readonly domains: readonly string[];
  readonly roots: readonly Certificate[];
  /** Between the roots and what signs; believed only as far as a root signed them. */
  readonly intermediates: readonly Certificate[];
  /** Of `TenantID`, `SubscriptionID` and `VMID`. */
  readonly agentPath: AgentPathTemplate;
  readonly clock: Clock;
  readonly random: Random;
}

export interface AzureTenant {
  readonly tenantId: string;
  /** Machines of these may attest: the document does not name the tenant, and Azure signs for all customers alike. */
  readonly subscriptions: readonly string[];
}

/**
 * The server's half of `azure_imds`, without any call to Azure: whoever shows a machine's attested document for a nonce
 * of the server's first may become the agent of that machine. Any process of the machine can have one.
 * @throws invalid when one subscription is listed with two tenants
 */
export function azureImdsServer(options: AzureImdsServerOptions): NodeAttestorServer {
  checkTenants(options.tenants);
  return {
    type: AZURE_IMDS_TYPE,
    async admit(_opening, challenge) {
      const nonce = toHex(options.random.bytes(NONCE_BYTES));
      const answer = parseAnswer(await challenge(new TextEncoder().encode(nonce)));
      const envelope = await openSignedDocument("azure_imds signature", answer.signature);
      await checkSigner(envelope, options);
      const document = parseAttestedDocument(envelope.content);
      if (document.nonce !== nonce) throw fail("denied", "azure_imds document is of another nonce");
      const tenant = options.tenants.get(answer.agentDomain);
      if (tenant === undefined) throw fail("denied", "azure_imds tenant is not configured");
      const { vmId, subscriptionId } = document;
      if (!tenant.subscriptions.some((each) => each.toLowerCase() === subscriptionId)) {
        throw fail("denied", "azure_imds document is of a subscription that is not the tenant's");
      }
      const fields = new Map([
        ["TenantID", tenant.tenantId],
        ["SubscriptionID", subscriptionId],
        ["VMID", vmId],
      ]);
      return {
        agentPath: `/spire/agent/${AZURE_IMDS_TYPE}/${options.agentPath.render((field) => fields.get(field))}`,
        selectors: [{ type: AZURE_IMDS_TYPE, value: `subscription-id:${subscriptionId}` }],
        canReattest: false,
        firstUseOnly: true,
      };
    },
  };
}

/** The agent says which tenant it means: with two to choose from, a machine could attest twice. */
function checkTenants(tenants: ReadonlyMap<string, AzureTenant>): void {
  const owners = new Map<string, string>();
  for (const { tenantId, subscriptions } of tenants.values()) {
    for (const subscription of subscriptions) {
      const owner = owners.get(subscription.toLowerCase());
      if (owner !== undefined && owner !== tenantId) {
        throw fail(
          "invalid",
          `azure_imds subscription ${subscription} is listed with tenants ${owner} and ${tenantId}; a subscription is in one tenant`,
        );
      }
      owners.set(subscription.toLowerCase(), tenantId);
    }
  }
}

/** One of the certificates in the envelope signed it, is Azure's by its name, and leads to a root. */
async function checkSigner(
  { certificates, isSignedBy }: SignedDocument,
  { domains, roots, intermediates, clock }: AzureImdsServerOptions,
): Promise<void> {
  const given = certificates.flatMap((der) => readable(der) ?? []);
  for (const certificate of given) {
    if (!certificate.dnsNames.some((name) => domains.some((domain) => isWithin(name, domain)))) {
      continue;
    }
    // First the chain: until then the key is a stranger's, and checking with it has no small bound.
    const chain = [certificate, ...given.filter((each) => each !== certificate), ...intermediates];
    try {
      await verifyChain(chain.slice(0, MAX_CHAIN), roots, epochSeconds(clock));
    } catch (cause) {
      const why = cause instanceof AssayError ? cause.message : "unknown";
      throw fail("denied", `azure_imds: ${why}`, { cause });
    }
    if (await isSignedBy(certificate.publicKey)) return;
  }
  throw fail("denied", "azure_imds document is not signed by a certificate of Azure's");
}

function isWithin(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}

function readable(der: Uint8Array): Certificate | undefined {
  try {
    return parseCertificate(der);
  } catch {
    // What cannot be read has signed nothing.
    return undefined;
  }
}

/** 32 characters in hex, as long as Azure takes. */
const NONCE_BYTES = 16;
const MAX_CHAIN = 16;
