import type { CertificatesHandlers } from "../../rpc/gen/assay/certificate/v1/Certificates.ts";
import type { NewCertificateRequest__Output } from "../../rpc/gen/assay/certificate/v1/NewCertificateRequest.ts";
import type { NewCertificateResponse } from "../../rpc/gen/assay/certificate/v1/NewCertificateResponse.ts";
import { requestIdOf } from "../../rpc/request-id.ts";
import type { CallContext, Implementation } from "../../rpc/service.ts";
import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import type { Logger } from "../../observe/logger.ts";
import { isHeldProof } from "../../provision/renewal-proof.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import { verifyCsr } from "../../x509/csr.ts";
import type { CallScope } from "../audit/call-scope.ts";
import { callerOf } from "../endpoints/caller.ts";
import type { Limits } from "../endpoints/limits.ts";
import {
  type Admitted,
  type CertificateFrontEnd,
  type IssuedCertificate,
  NotProven,
  type Proof,
} from "../frontends/certificates/certificate-front-end.ts";
import { parseCsrField } from "./attest.ts";
import { atMost, textField } from "./fields.ts";
import { spiffeIdMessage } from "./messages.ts";

export interface CertificateApiDeps {
  /** As it is configured now; undefined while it is off. */
  readonly frontEnd: () => CertificateFrontEnd | undefined;
  /** DER: of what the set signs, and those of the server itself where they are others. */
  readonly rootsOf: (issued: IssuedCertificate) => Promise<{
    readonly roots: readonly Uint8Array[];
    readonly serverRoots: readonly Uint8Array[];
  }>;
  readonly limits: Limits;
  readonly scope: CallScope;
  readonly logger: Logger;
  /** Aborted when the server begins to stop. */
  readonly stopping: AbortSignal;
}

/** `assay.certificate.v1.Certificates`. */
export function certificateApi(deps: CertificateApiDeps): Implementation<CertificatesHandlers> {
  return {
    async NewCertificateByToken(request, call) {
      await deps.limits.attest(call);
      const proof = (): Promise<Proof> => callerProof(request);
      return answer(deps, await admit(deps, proof, request, call));
    },

    async NewCertificateBySVID(request, call) {
      await deps.limits.sign(call, 1);
      const { id, svid } = callerOf(call);
      if (id === undefined || svid === undefined)
        throw fail("internal", "the caller is no workload");
      if (request.proof !== undefined) {
        throw fail("invalid", "proof: has no meaning here, where the caller's SVID is the proof");
      }
      const spiffeId = id.toString();
      const proof = async (): Promise<Proof> => ({ kind: "svid", spiffeId, ...svid });
      return answer(deps, await admit(deps, proof, request, call));
    },
  };
}

/** What a stranger who tries tokens learns of issuers, clusters and entries: nothing. */
async function admit(
  { logger, stopping, ...deps }: CertificateApiDeps,
  proofOfCall: () => Promise<Proof>,
  request: NewCertificateRequest__Output,
  call: CallContext,
): Promise<Admitted> {
  const frontEnd = deps.frontEnd();
  if (frontEnd === undefined) {
    throw fail(
      "precondition",
      "certificates are off here; the server's frontends.certificates is missing",
    );
  }
  const csr = parseCsrField("csr", request.csr);
  await verifyCsr(csr);
  atMost("dns_names", request.dns_names.length, MAX_NAMES);
  atMost("ip_addresses", request.ip_addresses.length, MAX_NAMES);
  const spiffeId = request.spiffe_id;
  if (spiffeId !== "") textField("spiffe_id", spiffeId, MAX_ID_LENGTH);
  try {
    return await frontEnd.admit(await proofOfCall(), {
      publicKey: csr.publicKey,
      ...(spiffeId === "" ? {} : { spiffeId }),
      dnsNames: request.dns_names,
      ipAddresses: request.ip_addresses,
      ttlSeconds: request.ttl,
      signal: AbortSignal.any([call.signal, stopping]),
    });
  } catch (thrown) {
    if (thrown instanceof NotProven) throw toldToStranger(thrown.error, call, logger);
    throw thrown;
  }
}

function toldToStranger(error: AssayError, call: CallContext, logger: Logger): AssayError {
  const requestId = requestIdOf(call);
  if (error.kind === "unavailable") {
    logger.warn("a proof could not be checked", { error, requestId });
    return fail("unavailable", "the proof cannot be checked now; try again", { cause: error });
  }
  if (error.kind !== "invalid" && error.kind !== "denied") return error;
  return fail(
    "denied",
    `the proof gives no certificate here; the server's audit log says why (request ${requestId}; 'assay audit find --kind denial' there)`,
    { cause: error, withheld: error.withheld ?? error.message },
  );
}

/** What is issued is recorded for who it is for. */
async function answer(
  { scope, rootsOf }: CertificateApiDeps,
  admitted: Admitted,
): Promise<NewCertificateResponse> {
  const { origin } = scope;
  if (origin === undefined) throw fail("internal", "a call for a certificate is not under audit");
  const caller = { ...origin.caller, ...admitted.caller };
  const issued = await scope.run({ ...origin, caller }, () => admitted.issue());
  const { roots, serverRoots } = await rootsOf(issued);
  return {
    chain: [...issued.chain],
    bundle: [...roots],
    serial: issued.serial,
    not_before: issued.notBefore,
    expires_at: issued.notAfter,
    spiffe_id: issued.spiffeId === undefined ? null : spiffeIdMessage(issued.spiffeId.toString()),
    dns_names: [...issued.dnsNames],
    ip_addresses: [...issued.ipAddresses],
    server_bundle: [...serverRoots],
  };
}

async function callerProof({
  proof,
  pod,
  token,
  one_time_token: once,
  certificate,
  csr,
}: NewCertificateRequest__Output): Promise<Proof> {
  switch (proof) {
    case "pod":
      if (pod === null || pod === undefined || pod.token === "") break;
      return { kind: "pod", cluster: pod.cluster, token: pod.token };
    case "token":
      if (token === undefined || token === "") break;
      return { kind: "oidc", token };
    case "one_time_token":
      if (once === undefined || once === "" || once.length > MAX_ONCE) break;
      return { kind: "once", token: once };
    case "certificate": {
      if (certificate === null || certificate === undefined) break;
      const { certificate: held, signature } = certificate;
      await requireHeld(held, signature, csr);
      return { kind: "certificate", der: held };
    }
    case undefined:
      break;
  }
  throw fail("invalid", "proof: is missing or empty");
}

async function requireHeld(
  held: Uint8Array,
  signature: Uint8Array,
  csr: Uint8Array,
): Promise<void> {
  atMost("certificate", held.length, MAX_CERTIFICATE);
  atMost("signature", signature.length, MAX_CERTIFICATE);
  try {
    const { publicKey } = parseCertificate(held);
    if (await isHeldProof(signature, publicKey, { csr, held })) return;
    throw fail("denied", "the signature does not fit the certificate's key and the request");
  } catch (thrown) {
    throw new NotProven(errorFrom(thrown));
  }
}

const MAX_NAMES = 100;
const MAX_ID_LENGTH = 2048;
const MAX_ONCE = 256;
/** Bytes. */
const MAX_CERTIFICATE = 16_384;
