import type { Clock } from "../base/clock.ts";
import { AssayError } from "../base/errors.ts";
import { Loop } from "../base/loop.ts";
import type { Random } from "../base/random.ts";
import { FileGenerations } from "./file-generations.ts";
import {
  type Contents,
  type Fingerprint,
  contentsOf,
  fingerprintOf,
  renderFiles,
} from "./render.ts";
import { type Target, holdsX509 } from "./target.ts";
import { startOf, tell } from "./tell.ts";
import { NO_SVID, type View } from "./view.ts";

export interface DeliveryOptions {
  readonly target: Target;
  readonly clock: Clock;
  readonly random: Random;
  /** For the command that is run. */
  readonly env: NodeJS.ProcessEnv;
  /** Told of each new set of files. */
  readonly onWritten: (target: Target, contents: Contents, files: readonly string[]) => void;
}

/** Writes one target's files whenever they change, and tells its process. One thing at a time. */
export class Delivery implements Disposable {
  readonly #options: DeliveryOptions;
  readonly #generations: FileGenerations;
  readonly #started: string | undefined;
  #written: Fingerprint | undefined;
  #told: string | undefined;

  constructor(options: DeliveryOptions) {
    const { target, random } = options;
    this.#options = options;
    const { signal } = target.tell;
    this.#started = typeof signal === "number" ? startOf(signal) : undefined;
    this.#generations = new FileGenerations({ ...target, random });
  }

  get target(): Target {
    return this.#options.target;
  }

  /** Makes and locks the folder. @throws with the next step */
  check(): void {
    this.#generations.check();
  }

  /**
   * Brings the folder, and then the process, up to the view. Nothing happens when both are.
   * @throws not_found when the view has nothing for the target; what writing and telling throw
   */
  async deliver(view: View, signal: AbortSignal): Promise<void> {
    const { target, clock, env, onWritten } = this.#options;
    const contents = contentsOf(target, view, clock.nowMs());
    const fingerprint = fingerprintOf(contents);
    if (fingerprint.all !== this.#written?.all) {
      const files = await renderFiles(target, contents);
      await this.#generations.write(files);
      this.#written = fingerprint;
      onWritten(
        target,
        contents,
        files.map(({ name }) => name),
      );
    }
    // A token is short-lived and read when it is needed; nobody has to reload for it.
    const worthTelling = holdsX509(target) ? fingerprint.x509 : fingerprint.all;
    if (worthTelling === this.#told) return;
    const started = this.#started;
    const context = { env, clock, ...(started === undefined ? {} : { started }) };
    await tell(target.tell, context, signal);
    this.#told = worthTelling;
  }

  [Symbol.dispose](): void {
    this.#generations[Symbol.dispose]();
  }
}

/** A delivery that follows: the latest view wins, and what failed is tried again. */
export class Follower implements AsyncDisposable {
  readonly #delivery: Delivery;
  readonly #loop: Loop;
  #view: View | undefined;

  constructor(
    delivery: Delivery,
    { clock, random }: Pick<DeliveryOptions, "clock" | "random">,
    onError: (error: AssayError) => void,
  ) {
    this.#delivery = delivery;
    this.#loop = new Loop({
      name: `delivery to ${delivery.target.dir}`,
      clock,
      random,
      backoff: RETRY,
      onError,
      round: async (signal) => {
        try {
          if (this.#view !== undefined) await delivery.deliver(this.#view, signal);
        } catch (thrown) {
          // Nothing changes before the agent says something else.
          if (!(thrown instanceof AssayError) || thrown.reason !== NO_SVID) throw thrown;
          onError(thrown);
        }
        return IDLE_MS;
      },
    });
  }

  offer(view: View): void {
    this.#view = view;
    this.#loop.wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]();
    this.#delivery[Symbol.dispose]();
  }
}

const RETRY = { maxMs: 60_000 };
/** Expired roots are left out, where that is wanted, within so long. */
const IDLE_MS = 3_600_000;
