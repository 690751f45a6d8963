/** Sections of the node attestors of clouds, for both halves. Each cloud signs for all of its customers alike. */
import { list, map, section, text } from "../settings/shape.ts";

const IDS = list(text({ maxLength: 128 }), { least: 1, most: 10_000 });
const agentPath = (fields: string, fallback: string) =>
  ({
    shape: text({ maxLength: 1024 }),
    help: `an agent's path, of ${fields}`,
    default: fallback,
  }) as const;
const metadataUrl = (url: string) =>
  ({
    shape: text({ pattern: "^http://[^\\s/]+$", rule: "is not http://HOST or http://HOST:PORT" }),
    help: "address of the metadata service",
    default: url,
  }) as const;

export const AWS_IID_SERVER = section({
  accountIds: { shape: IDS, help: "accounts whose instances may attest", required: true },
  certificates: {
    shape: map(text(), { most: 128 }),
    help: "by region, the file (PEM) with AWS's RSA-2048 certificate for it",
    required: true,
  },
  agentPath: agentPath(
    "{{AccountID}}, {{Region}} and {{InstanceID}}",
    "{{AccountID}}/{{Region}}/{{InstanceID}}",
  ),
});

export const AWS_IID_AGENT = section({ metadataUrl: metadataUrl("http://169.254.169.254") });

export const GCP_IIT_SERVER = section({
  projectIds: { shape: IDS, help: "projects whose instances may attest", required: true },
  audiences: {
    shape: list(text({ maxLength: 1024 }), { least: 1, most: 32 }),
    help: "a token must be made for one of them",
    default: ["spire-gcp-node-attestor"],
  },
  issuer: {
    shape: text(),
    help: "who signs the tokens",
    default: "https://accounts.google.com",
  },
  jwksUrl: { shape: text(), help: "address of the key set, in place of discovery" },
  jwksFile: { shape: text(), help: "file with the key set, in place of any fetching" },
  caFile: { shape: text(), help: "TLS authorities (PEM) in place of the host's" },
  agentPath: agentPath(
    "{{ProjectID}}, {{ProjectNumber}}, {{Zone}}, {{InstanceID}}, {{InstanceName}} and {{ServiceAccount}}",
    "{{ProjectID}}/{{InstanceID}}",
  ),
});

export const GCP_IIT_AGENT = section({
  metadataUrl: metadataUrl("http://metadata.google.internal"),
  serviceAccount: {
    shape: text({ maxLength: 256 }),
    help: "which of the instance's accounts",
    default: "default",
  },
  audience: {
    shape: text({ maxLength: 1024 }),
    help: "whom the token is made for",
    default: "spire-gcp-node-attestor",
  },
});

export const AZURE_IMDS_SERVER = section({
  tenants: {
    shape: map(
      section({
        tenantId: { shape: text({ maxLength: 64 }), help: "the tenant's ID", required: true },
        subscriptions: {
          shape: IDS,
          help: "subscriptions of the tenant whose machines may attest",
          required: true,
        },
      }),
      { keyPattern: "^[A-Za-z0-9][A-Za-z0-9.\\-]{0,252}$", most: 256 },
    ),
    help: "by domain, the tenants whose machines may attest",
    required: true,
  },
  caFile: {
    shape: text(),
    help: "roots and intermediates (PEM) of the certificates that sign documents",
    required: true,
  },
  domains: {
    shape: list(text({ maxLength: 253 }), { least: 1, most: 16 }),
    help: "such a certificate's name is one of these or below",
    default: ["metadata.azure.com"],
  },
  agentPath: agentPath(
    "{{TenantID}}, {{SubscriptionID}} and {{VMID}}",
    "{{TenantID}}/{{SubscriptionID}}/{{VMID}}",
  ),
});

export const AZURE_IMDS_AGENT = section({
  tenantDomain: {
    shape: text({ maxLength: 253 }),
    help: "domain of the tenant that the machine is in, as the server names it",
    required: true,
  },
  metadataUrl: metadataUrl("http://169.254.169.254"),
});
