/** acme-client of npm, from an account to its end: `acme-client-child.ts MODULE DIRECTORY CHALLENGES CHAIN`. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Client {
  auto(options: object): Promise<string>;
  updateAccountKey(key: Uint8Array): Promise<unknown>;
  revokeCertificate(pem: string, fields: object): Promise<unknown>;
  updateAccount(fields: object): Promise<unknown>;
}

interface AcmeClientModule {
  readonly Client: new (options: object) => Client;
  readonly crypto: {
    createPrivateEcdsaKey(): Promise<Uint8Array>;
    createCsr(fields: object): Promise<[Uint8Array, Uint8Array]>;
  };
}

const [module = "", directoryUrl = "", folder = "", chain = ""] = process.argv.slice(2);
const acme = ((await import(module)) as { readonly default: AcmeClientModule }).default;
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const client = new acme.Client({
  directoryUrl,
  accountKey: await acme.crypto.createPrivateEcdsaKey(),
});
const [, csr] = await acme.crypto.createCsr({ altNames: ["node.example.org"] });
const pem = await client.auto({
  csr,
  email: "ops@example.org",
  termsOfServiceAgreed: true,
  challengePriority: ["http-01"],
  skipChallengeVerification: true,
  challengeCreateFn: async (_authorization: object, { token }: { token: string }, text: string) =>
    writeFileSync(join(folder, token), text),
  challengeRemoveFn: async (_authorization: object, { token }: { token: string }) =>
    rmSync(join(folder, token)),
});
writeFileSync(chain, pem);
say("issued");
await client.updateAccountKey(await acme.crypto.createPrivateEcdsaKey());
say("key changed");
await client.revokeCertificate(pem, { reason: 4 });
say("revoked");
await client.updateAccount({ status: "deactivated" });
say("deactivated");
