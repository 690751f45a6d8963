/** Calls that the end-to-end tests have in common. */
import { generateKey } from "../../../src/keys/software-signer.ts";
import type { Channel } from "../../../src/rpc/channel.ts";
import { serviceDefinition } from "../../../src/rpc/protos.ts";
import { AUTHORIZATION } from "../../../src/server/endpoints/authorization.ts";
import { createCsr } from "../../../src/x509/csr.ts";
import {
  SVID_SERVICE,
  type SvidMessage,
  type TestServer,
  type TlsIdentity,
  identityOf,
} from "../../support/server.ts";
import { PATIENCE_MS } from "../../support/patience.ts";

export const HOST_SERVICE = "assay.agent.v1.AgentHost";
export const id = (path: string) => ({ trust_domain: "example.org", path });
export const uid = (value: string) => ({ type: "unix", value: `uid:${value}` });

export interface Entries {
  readonly entries: readonly { readonly id: string; readonly spiffe_id: { path: string } }[];
}
export interface Results {
  readonly results: readonly {
    readonly status: { readonly code: number; readonly message: string };
    readonly svid: SvidMessage | null;
  }[];
}

export async function csrOf(path = "/ignored") {
  const key = await generateKey("ec-p256");
  return {
    key,
    csr: await createCsr({ uris: [`spiffe://example.org${path}`], signer: key.signer }),
  };
}

export function agentMethods(): [string, string][] {
  return [...AUTHORIZATION]
    .filter(([, roles]) => roles.size === 1 && roles.has("agent"))
    .map(([path]) => path.slice(1).split("/") as [string, string]);
}

/** One call with an empty request, whatever kind of method it is. */
export async function callOnce(
  channel: Channel,
  service: string,
  method: string,
): Promise<unknown> {
  const types = serviceDefinition(service)[method];
  if (types?.requestStream !== true && types?.responseStream !== true) {
    return channel.unary(service, method, {}, { deadlineMs: PATIENCE_MS });
  }
  using stream = channel.stream<object, object>(service, method, { deadlineMs: PATIENCE_MS });
  stream.send({}).catch(() => undefined); // the answer says more
  stream.end();
  for await (const response of stream) return response;
  return undefined;
}

export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of stream) all.push(each);
  return all;
}

export async function mint(server: TestServer, path: string, ttl: number): Promise<TlsIdentity> {
  const { key, csr } = await csrOf(path);
  const { svid } = await server.admin.unary<{ svid: SvidMessage }>(SVID_SERVICE, "MintX509SVID", {
    csr,
    ttl,
  });
  return identityOf(svid.cert_chain, key.pkcs8);
}
