/** A client of the Workload API that never gives up, and notes what would have made a real one give up. */
import { errorFrom } from "../../src/base/errors.ts";
import { parseCertificates, type Certificate } from "../../src/x509/certificate.ts";
import { pause } from "./fault-rig.ts";
import { type Watch, WorkloadClient } from "./workload-client.ts";

/** Ends after which some client library never comes back. */
const FATAL = ["denied", "unsupported", "invalid", "cancelled", "unauthenticated"];

export class StreamWatch implements AsyncDisposable {
  readonly #socket: string;
  readonly #done: Promise<unknown>;
  readonly #open = new Set<Disposable>();
  #over = false;
  /** Ends that stop a client for good. */
  readonly fatal: string[] = [];
  /** SVIDs whose life was over when they came, and had been for longer than a message is on its way. */
  readonly expired: string[] = [];
  /** How often a stream ended, by kind. */
  readonly ends: Record<string, number> = {};
  /** Serial number to SPIFFE ID of all SVIDs that came. */
  readonly serials = new Map<string, string>();
  /** Leaves of the newest message. */
  latest: readonly { readonly id: string; readonly hint: string; readonly leaf: Certificate }[] =
    [];
  messages = 0;
  /** SVIDs that came without the authority that signed them. */
  readonly unpublished: string[] = [];
  /** Hex key ids of the newest message's own authorities. */
  x509Authorities: ReadonlySet<string> = new Set();

  constructor(socket: string) {
    this.#socket = socket;
    this.#done = Promise.all([
      this.#follow(
        (client) => client.x509(),
        ({ svids }) => {
          const now = Date.now() / 1000 - ON_THE_WAY_SECONDS;
          this.latest = svids.map(({ spiffe_id, hint, x509_svid, bundle }) => {
            const [leaf] = parseCertificates(new Uint8Array(x509_svid));
            if (leaf === undefined) throw new Error("no leaf");
            if (leaf.notAfter <= now) this.expired.push(`${spiffe_id} by ${now - leaf.notAfter} s`);
            const authorities = new Set(
              parseCertificates(new Uint8Array(bundle)).map(
                ({ subjectKeyId }) => subjectKeyId ?? "",
              ),
            );
            const { authorityKeyId = "" } = leaf;
            if (!authorities.has(authorityKeyId))
              this.unpublished.push(`${spiffe_id}: ${leaf.serial}`);
            this.x509Authorities = authorities;
            this.serials.set(leaf.serial, spiffe_id);
            return { id: spiffe_id, hint, leaf };
          });
        },
      ),
      this.#follow(
        (client) => client.x509Bundles(),
        () => undefined,
      ),
      this.#follow(
        (client) => client.jwtBundles(),
        () => undefined,
      ),
    ]);
  }

  /** The newest message's SPIFFE IDs, sorted. */
  get ids(): readonly string[] {
    return this.latest.map(({ id }) => id).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    for (const each of this.#open) each[Symbol.dispose]();
    await Promise.race([this.#done, pause(5000)]);
  }

  async #follow<T>(
    open: (client: WorkloadClient) => Watch<T>,
    take: (message: T) => void,
  ): Promise<void> {
    while (!this.#over) {
      using client = new WorkloadClient(this.#socket);
      using watch = open(client);
      this.#open.add(watch);
      try {
        for (;;) {
          take(await watch.next());
          this.messages += 1;
        }
      } catch (thrown) {
        if (!this.#over) this.#ended(thrown);
      } finally {
        this.#open.delete(watch);
      }
      await pause(100);
    }
  }

  #ended(thrown: unknown): void {
    const { kind, message } = errorFrom(thrown);
    this.ends[kind] = (this.ends[kind] ?? 0) + 1;
    // A CANCELLED of the server's comes out with these words.
    const isFatal = FATAL.includes(kind) || /ended with OK|the server ended the call/.test(message);
    if (isFatal) this.fatal.push(`${kind}: ${message}`);
  }
}

/** On a machine that is busy. An agent that goes on with SVIDs which have ended is told all the same. */
const ON_THE_WAY_SECONDS = 3;
