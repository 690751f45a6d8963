/** Calls for certificates with names and addresses, as the tests make them. */
import { X509Certificate } from "node:crypto";
import { Networks } from "../../../src/base/networks.ts";
import type { CertificatesConfig } from "../../../src/config/server/certificates-front-end.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import type { NewCertificateRequest } from "../../../src/rpc/gen/assay/certificate/v1/NewCertificateRequest.ts";
import type { NewCertificateResponse__Output } from "../../../src/rpc/gen/assay/certificate/v1/NewCertificateResponse.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { createCsr } from "../../../src/x509/csr.ts";
import { readAuditLog } from "../../support/audit-records.ts";
import type { TestServer, TlsIdentity } from "../../support/server.ts";
import { id } from "../api/calls.ts";

export const CERTIFICATE_SERVICE = "assay.certificate.v1.Certificates";

export const CERTIFICATES: CertificatesConfig = {
  set: "trust-domain",
  profile: "spiffe",
  ttlSeconds: 0,
  networks: new Map([
    ["/web", Networks.parse(["10.1.0.0/16", "fd00:1::/32"])],
    ["/", Networks.parse(["192.0.2.7"])],
  ]),
  clusters: new Map(),
};

type Key = Awaited<ReturnType<typeof generateKey>>;

/** A call with a new key, unless told otherwise. */
export async function ask(
  server: TestServer,
  request: NewCertificateRequest,
  { key, identity }: { readonly key?: Key; readonly identity?: TlsIdentity } = {},
) {
  const { signer } = key ?? (await generateKey("ec-p256"));
  // What a request says of names is nobody's word.
  const csr = await createCsr({ uris: ["spiffe://example.org/admin"], dnsNames: ["evil"], signer });
  const method = identity === undefined ? "NewCertificateByToken" : "NewCertificateBySVID";
  const response = await server
    .connect(identity)
    .unary<NewCertificateResponse__Output>(CERTIFICATE_SERVICE, method, { ...request, csr });
  const leaf = response.chain[0] ?? new Uint8Array();
  const { subjectAltName = "" } = new X509Certificate(leaf);
  return { response, leaf: parseCertificate(leaf), names: subjectAltName.split(", ").sort() };
}

export async function issuances(server: TestServer) {
  const records = await readAuditLog(server.dataDir);
  return records.filter(({ kind, action }) => kind === "issuance" && /certificates/.test(action));
}

export function entry(path: string, parent: string, selector: string, more: object = {}): object {
  const at = selector.indexOf(":");
  return {
    spiffe_id: id(path),
    parent_id: id(parent),
    selectors: [{ type: selector.slice(0, at), value: selector.slice(at + 1) }],
    ...more,
  };
}
