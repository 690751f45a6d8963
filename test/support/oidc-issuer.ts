/** A real OIDC issuer on a loopback port, with TLS, whose every answer a test can bend. */
import { type KeyObject, constants, generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Server, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerConfig } from "../../src/config/server/server-config.ts";
import { TestCa } from "./test-ca.ts";

const NOW = Math.floor(Date.now() / 1000);

export interface IssuerKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly jwk: Record<string, unknown>;
}

export interface TokenParts {
  readonly header?: Record<string, unknown>;
  readonly claims?: Record<string, unknown>;
  readonly key?: IssuerKey;
}

export class TestIssuer implements AsyncDisposable {
  readonly url: string;
  readonly caFile: string;
  /** What /keys serves. */
  keys: IssuerKey[];
  /** Paths asked for, in order. */
  readonly asked: string[] = [];
  /** Answers in place of the issuer; false: as usual. */
  answer: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  readonly #server: Server;
  readonly #folder: string;

  private constructor(server: Server, folder: string, caFile: string) {
    this.#server = server;
    this.#folder = folder;
    this.caFile = caFile;
    this.url = `https://localhost:${(server.address() as AddressInfo).port}`;
    this.keys = [issuerKey("k1", "ES256")];
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      this.asked.push(request.url ?? "");
      if (this.answer(request, response)) return;
      if (request.url === "/.well-known/openid-configuration") {
        response.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/keys` }));
      } else if (request.url === "/keys") {
        response.end(this.jwks());
      } else response.writeHead(404).end();
    });
  }

  static async start(): Promise<TestIssuer> {
    const ca = await TestCa.create({ notBefore: NOW - 10, notAfter: NOW + 3600 });
    const leaf = await ca.leaf({
      notBefore: NOW - 10,
      notAfter: NOW + 3600,
      uris: [],
      dnsNames: ["localhost"],
    });
    const folder = mkdtempSync(join(tmpdir(), "assay-issuer-"));
    const caFile = join(folder, "ca.pem");
    writeFileSync(caFile, ca.pem);
    const server = createServer({ cert: leaf.certPem, key: leaf.keyPem });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new TestIssuer(server, folder, caFile);
  }

  jwks(): string {
    return JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) });
  }

  /** A good token unless told otherwise; a claim or header member that is `undefined` is left out. */
  token({ header, claims, key = this.keys[0] }: TokenParts = {}): string {
    if (key === undefined) throw new TypeError("the issuer has no key");
    const now = Math.floor(Date.now() / 1000);
    return signToken(
      key,
      { alg: key.alg, kid: key.kid, typ: "JWT", ...header },
      {
        iss: this.url,
        sub: "repo:acme/app:ref:refs/heads/main",
        aud: "assay://example.org",
        iat: now - 5,
        exp: now + 600,
        ...claims,
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

export function issuerKey(kid: string, alg: string): IssuerKey {
  const pair =
    alg === "EdDSA"
      ? generateKeyPairSync("ed25519")
      : alg.startsWith("ES")
        ? generateKeyPairSync("ec", { namedCurve: `P-${alg === "ES512" ? "521" : alg.slice(2)}` })
        : generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = { ...pair.publicKey.export({ format: "jwk" }), kid, alg, use: "sig" };
  return { kid, alg, privateKey: pair.privateKey, jwk };
}

export function signToken(
  { alg, privateKey }: Pick<IssuerKey, "alg" | "privateKey">,
  header: Record<string, unknown>,
  claims: Record<string, unknown>,
): string {
  const part = (value: unknown): string =>
    Buffer.from(JSON.stringify(value), "utf8").toString("base64url");
  const input = `${part(header)}.${part(claims)}`;
  const hash = alg === "EdDSA" ? null : `sha${alg.slice(2)}`;
  const signature = sign(hash, Buffer.from(input), {
    key: privateKey,
    dsaEncoding: "ieee-p1363",
    ...(alg.startsWith("PS")
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : {}),
  });
  return `${input}.${signature.toString("base64url")}`;
}

type IssuerSection = NonNullable<ServerConfig["nodeAttestors"]["oidc"]>["issuers"][number];

/** How a server knows the issuer, as `ci`, with the defaults filled in. */
export function oidcSection(
  { url, caFile }: TestIssuer,
  more: Partial<IssuerSection> = {},
): IssuerSection {
  return {
    alias: "ci",
    url,
    caFile,
    audiences: ["assay://example.org"],
    loopbackHttp: false,
    maxLife: 86_400,
    attestNodes: true,
    reattest: false,
    ...more,
  };
}

export function oidcConfig(
  ...issuers: readonly IssuerSection[]
): Pick<ServerConfig, "nodeAttestors"> {
  return { nodeAttestors: { oidc: { issuers } } };
}
