/** What an ACME server keeps, for tests that ask of it no more than to be whole. */
import type {
  AcmeAccountRecord,
  AcmeAuthorizationRecord,
  AcmeCertificateRecord,
  AcmeChallengeRecord,
  AcmeOrderRecord,
} from "../../../src/server/datastore/acme.ts";

export function sampleAccount(id: string): AcmeAccountRecord & { readonly status: "valid" } {
  return {
    id,
    keyId: `key-${id}`,
    jwk: "{}",
    status: "valid",
    contact: ["mailto:a@example.org"],
    termsAgreed: true,
    externalAccountId: "kid",
    createdAt: 1,
    usedAt: 2,
    madeFrom: "192.0.2.1",
  };
}

export function sampleOrder(id: string, over: Partial<AcmeOrderRecord> = {}): AcmeOrderRecord {
  return {
    id,
    accountId: "account",
    status: "open",
    identifiers: [
      { type: "dns", value: "*.example.org" },
      { type: "ip", value: "10.0.0.1" },
    ],
    authorizations: ["a", "b"],
    profile: "server-90d",
    notBefore: 3,
    notAfter: 4,
    expiresAt: 100,
    createdAt: 1,
    error: "",
    certificateId: "",
    replaces: "aki.serial",
    csr: "",
    signing: "",
    ...over,
  };
}

export function sampleAuthorization(
  id: string,
  over: Partial<AcmeAuthorizationRecord> = {},
): AcmeAuthorizationRecord {
  return {
    id,
    accountId: "account",
    type: "dns",
    value: "example.org",
    wildcard: false,
    status: "pending",
    expiresAt: 150,
    createdAt: 1,
    challenges: [sampleChallenge()],
    ...over,
  };
}

export function sampleChallenge(over: Partial<AcmeChallengeRecord> = {}): AcmeChallengeRecord {
  return {
    type: "http-01",
    token: "token",
    status: "pending",
    validatedAt: 0,
    error: "",
    ...over,
  };
}

export function sampleCertificate(id: string): AcmeCertificateRecord {
  return {
    id,
    accountId: "account",
    orderId: "order",
    serial: "01a",
    authorityId: "aa",
    spiffeId: "spiffe://example.org/a",
    chain: ["AA==", "AQ=="],
    alternates: [["AA==", "Ag=="]],
    identifiers: [{ type: "dns", value: "a.example.org" }],
    notBefore: 1,
    notAfter: 1000,
    replacedBy: "",
    revokedAt: 0,
  };
}
