/** RFC 8737, and for addresses RFC 8738 §6. */
import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { connect, createSecureContext } from "node:tls";
import { toHex } from "../../../../base/bytes.ts";
import { ipBytes } from "../../../../x509/ip-address.ts";
import type { AcmeIdentifier } from "../contract.ts";
import { alpnCertificateFault } from "./alpn-certificate.ts";
import { type DialTools, dial, handshake } from "./dial.ts";
import { refuse } from "./refusal.ts";

/** @throws refuse: `dns`, `connection`, `tls`, `unauthorized` without the protocol, `incorrectResponse` for the certificate */
export async function checkTlsAlpn01(
  params: { readonly identifier: AcmeIdentifier; readonly keyAuthorization: string },
  tools: DialTools & { readonly tlsPort: number },
): Promise<void> {
  const { identifier, keyAuthorization } = params;
  const plain = await dial(identifier.value, tools.tlsPort, tools);
  plain.on("error", ignore);
  let der: Uint8Array | undefined;
  try {
    der = await certificateShown(plain, identifier);
  } catch (thrown) {
    tools.signal.throwIfAborted();
    throw thrown;
  } finally {
    plain.destroy();
  }
  const digest = createHash("sha256").update(keyAuthorization).digest();
  const fault = der === undefined ? "is missing" : alpnCertificateFault(der, identifier, digest);
  if (fault === undefined) return;
  throw refuse(
    "incorrectResponse",
    `the certificate that ${identifier.value} shows for ${PROTOCOL} ${fault}`,
  );
}

async function certificateShown(
  plain: Socket,
  identifier: AcmeIdentifier,
): Promise<Uint8Array | undefined> {
  const socket = connect({
    socket: plain,
    servername: identifier.type === "dns" ? identifier.value : reverseName(identifier.value),
    ALPNProtocols: [PROTOCOL],
    secureContext: context,
    // The certificate proves possession of the account key, to be checked by the rules of the challenge alone.
    rejectUnauthorized: false,
  });
  try {
    await handshake(socket);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    if (code.includes("NO_APPLICATION_PROTOCOL")) throw noProtocol(identifier, cause);
    throw refuse(
      "tls",
      `${identifier.value} does not complete a TLS handshake for ${PROTOCOL}`,
      cause,
    );
  } finally {
    if (socket.alpnProtocol !== PROTOCOL) socket.destroy();
  }
  try {
    if (socket.alpnProtocol !== PROTOCOL) throw noProtocol(identifier);
    return socket.getPeerX509Certificate()?.raw;
  } finally {
    socket.destroy();
  }
}

function noProtocol({ value }: AcmeIdentifier, cause?: unknown): Error {
  return refuse("unauthorized", `${value} does not speak ${PROTOCOL}`, cause);
}

/** @returns `4.3.2.1.in-addr.arpa` (RFC 1034 §5.2.1), `....ip6.arpa` (RFC 3596 §2.5) */
function reverseName(address: string): string {
  const bytes = ipBytes(address);
  if (bytes.length === 4) return `${[...bytes].reverse().join(".")}.in-addr.arpa`;
  return `${Array.from(toHex(bytes)).reverse().join(".")}.ip6.arpa`;
}

function ignore(): void {
  // Whoever waits for the handshake is told by it.
}

const PROTOCOL = "acme-tls/1";
const context = createSecureContext({ minVersion: "TLSv1.2" });
