import { X509Certificate } from "node:crypto";
import { systemClock } from "../../base/clock.ts";
import { isKind } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";
import { Delivery, Follower } from "../../delivery/delivery.ts";
import type { View } from "../../delivery/view.ts";
import { ALL_KEY_TYPES } from "../../keys/contract.ts";
import type { Command, CommandContext } from "../program/command.ts";
import { isoTime, timeText } from "../text/facts.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { createLines } from "../program/output.ts";
import { AGENT_SOCKET_OPTION } from "../connection/rpc-clients.ts";
import { TARGET_OPTIONS, targetFromOptions } from "../watch/targets.ts";
import { withWait } from "../connection/wait.ts";
import { heldFiles } from "./held-files.ts";
import { PROOF_OPTIONS, proofSource } from "./proof.ts";
import { Renewal } from "./renewal.ts";
import { type Obtained, Requester, type Wanted } from "./request.ts";

/** Of those of `assay watch`, what a certificate needs. */
const FILE_OPTIONS = TARGET_OPTIONS.filter(({ name }) =>
  [
    "format",
    "owner",
    "group",
    "key-mode",
    "file-mode",
    "password-file",
    "store-cipher",
    "run",
    "run-timeout",
    "signal",
    "signal-name",
  ].includes(name),
);

export const command: Command = {
  name: "init-certificate",
  options: [
    {
      name: "dir",
      value: "DIR",
      help: "folder for cert.pem, key.pem and bundle.pem, such as a volume that others mount",
      required: true,
    },
    ...PROOF_OPTIONS,
    {
      name: "dns-name",
      value: "NAME",
      help: "DNS name in the certificate",
      many: true,
      fallback: "all that the entry and the pod have",
    },
    {
      name: "ip-address",
      value: "ADDRESS",
      help: "address in the certificate",
      many: true,
      fallback: "those of the pod",
    },
    { name: "spiffe-id", value: "ID", help: "of several entries the one with this ID" },
    { name: "ttl", value: "DURATION", help: "life of the certificate", fallback: "the server's" },
    {
      name: "key-type",
      value: "TYPE",
      help: "key to make",
      choices: ALL_KEY_TYPES,
      fallback: "ec-p256",
    },
    { name: "renew", help: "stay, and renew the certificate after two thirds of its life" },
    { name: "wait", value: "DURATION", help: "keep trying for so long", fallback: "1m" },
    ...FILE_OPTIONS,
    AGENT_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay init-certificate --dir /ssl --server assay.example.org:8081 --via pod --cluster demo --trust-bundle /run/assay/bundle.pem",
    "assay init-certificate --dir /ssl --server assay.example.org:8081 --via once --token-file token --trust-bundle bundle.pem --ip-address 10.1.2.3",
    "assay init-certificate --dir /ssl --server assay.example.org:8081 --renew --signal /run/nginx.pid",
  ],
  notes: [
    "The key is made here and never sent; no signing key ever comes here.",
    "Which names and addresses it may ask for, the server decides: doc/certificates.md.",
  ],
  async run(context) {
    const { options, signal } = context;
    const source = proofSource(context);
    const wanted = wantedOf(context);
    const target = targetFromOptions(options.required("dir"), context, FILE_OPTIONS, NAMES);
    const delivery = deliveryOf(context, target);
    const requester = new Requester(source.server, wanted);
    // What cannot be written to is said before anything is spent.
    using opened = new DisposableStack();
    opened.use(delivery).check();
    const held = source.way === "once" ? heldFiles(target) : undefined;
    const request = async (): Promise<Obtained> => {
      if (held !== undefined) {
        try {
          return await requester.request(await source.withCertificate(held), signal);
        } catch (thrown) {
          if (!isKind(thrown, "denied", "invalid")) throw thrown;
        }
      }
      return requester.request(await source.proof(), signal);
    };
    const first = await withWait(context, PATIENCE, request, DEFAULT_WAIT_SECONDS);
    if (!options.flag("renew")) {
      await delivery.deliver(viewOf(first), signal);
      return undefined;
    }
    const note = (message: string): void => context.output.note(`assay: ${message}; trying again`);
    await using follower = new Follower(
      delivery,
      { clock: systemClock, random: systemRandom },
      ({ message }) => note(message),
    );
    opened.move();
    follower.offer(viewOf(first));
    await using _renewal = new Renewal({
      first,
      source,
      requester,
      clock: systemClock,
      random: systemRandom,
      onRenewed: (certificate) => follower.offer(viewOf(certificate)),
      note,
    });
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    return undefined;
  },
};

function wantedOf({ options }: CommandContext): Wanted {
  const spiffeId = options.text("spiffe-id");
  return {
    keyType: ALL_KEY_TYPES.find((type) => type === options.text("key-type")) ?? "ec-p256",
    dnsNames: options.list("dns-name"),
    ipAddresses: options.list("ip-address"),
    ...(spiffeId === undefined ? {} : { spiffeId }),
    ttlSeconds: options.life("ttl") ?? 0,
  };
}

function viewOf(certificate: Obtained): View {
  return {
    svids: [certificate],
    federated: new Map(),
    crls: [],
    jwtBundle: undefined,
    tokens: new Map(),
  };
}

function deliveryOf(context: CommandContext, target: Delivery["target"]): Delivery {
  const lines = createLines(context.output.format);
  return new Delivery({
    target,
    clock: systemClock,
    random: systemRandom,
    env: { ...context.env, ASSAY_DIR: target.dir },
    onWritten({ dir }, { svid }, files) {
      const [leaf] = svid?.chain ?? [];
      if (svid === undefined || leaf === undefined) return;
      const { subjectAltName = "" } = new X509Certificate(leaf);
      const names = subjectAltName.split(", ");
      const { serialNumber, expiresAt } = svid;
      lines.data({ dir, serialNumber, names, expiresAt: isoTime(expiresAt), files }, () => [
        `${new Date().toISOString()} wrote ${dir}: ${names.join(", ")}; expires ${timeText(expiresAt, Date.now())}`,
      ]);
    },
  });
}

const NAMES = { svid: "cert.pem" };
/** The server may be on its way up, and a pod's address on its way to the API server. */
const PATIENCE = ["unavailable", "not_found", "deadline"] as const;
const DEFAULT_WAIT_SECONDS = 60;
