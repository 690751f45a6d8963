import type { Clock } from "../../../base/clock.ts";
import { errorFrom, fail } from "../../../base/errors.ts";
import { DbusConnection } from "./dbus-connection.ts";
import { type DbusMessage, textOf } from "./dbus-wire.ts";

/** A unit of the system's service manager (systemd.unit(5)). */
export interface Unit {
  /** `web.service`. */
  readonly id: string;
  /** Of its unit file; empty for one that has none, as a scope. */
  readonly fragmentPath: string;
  /** `system.slice`; empty for a unit that is in none. */
  readonly slice: string;
}

export interface UnitsOptions {
  /** Path of the system bus's socket. */
  readonly bus: string;
  readonly clock: Clock;
  /** For one question; then whoever waits is told so. */
  readonly patienceMs: number;
}

/** Asks systemd over the system bus; connects when first asked, and again after the connection was lost. */
export class Units implements Disposable {
  readonly #options: UnitsOptions;
  #connection: Promise<DbusConnection> | undefined;
  #open: DbusConnection | undefined;
  #dialling: AbortController | undefined;

  constructor(options: UnitsOptions) {
    this.#options = options;
  }

  /**
   * The unit that a process is in; `undefined` when it is in none.
   * @throws unavailable, denied, unsupported, deadline, invalid
   */
  async of(pid: number): Promise<Unit | undefined> {
    const { bus, clock, patienceMs } = this.#options;
    const late = Promise.withResolvers<never>();
    const cancel = clock.after(patienceMs, () => {
      late.reject(fail("deadline", `the bus at ${bus} did not answer within ${patienceMs} ms`));
      // What hangs is not asked again.
      this.#drop();
    });
    try {
      return await Promise.race([this.#ask(pid), late.promise]);
    } finally {
      cancel();
    }
  }

  [Symbol.dispose](): void {
    this.#drop();
  }

  async #ask(pid: number): Promise<Unit | undefined> {
    const connection = await this.#connect();
    const found = await connection.call({
      ...SYSTEMD,
      path: "/org/freedesktop/systemd1",
      interface: "org.freedesktop.systemd1.Manager",
      member: "GetUnitByPID",
      args: [pid],
    });
    if (found.errorName === NO_UNIT) return undefined;
    const path = textOf(returned(found));
    const property = async (of: string, name: string): Promise<string> =>
      textOf(
        returned(
          await connection.call({
            ...SYSTEMD,
            path,
            interface: "org.freedesktop.DBus.Properties",
            member: "Get",
            args: [`org.freedesktop.systemd1.${of}`, name],
          }),
        ),
      );
    const [id, fragmentPath] = await Promise.all([
      property("Unit", "Id"),
      property("Unit", "FragmentPath"),
    ]);
    const kind = KINDS[id.slice(id.lastIndexOf(".") + 1)];
    return { id, fragmentPath, slice: kind === undefined ? "" : await property(kind, "Slice") };
  }

  #connect(): Promise<DbusConnection> {
    if (this.#open !== undefined && !this.#open.isOpen) this.#drop();
    this.#connection ??= this.#dial();
    return this.#connection;
  }

  #dial(): Promise<DbusConnection> {
    const dialling = new AbortController();
    this.#dialling = dialling;
    const dialled = DbusConnection.open(this.#options.bus, dialling.signal);
    const noteOutcome = async (): Promise<void> => {
      try {
        const open = await dialled;
        if (this.#connection === dialled) this.#open = open;
        else open[Symbol.dispose]();
      } catch {
        // Told to whoever asked; the next one tries anew.
        if (this.#connection === dialled) this.#connection = undefined;
      }
    };
    void noteOutcome();
    return dialled;
  }

  #drop(): void {
    this.#dialling?.abort(fail("unavailable", "the connection to the bus was given up"));
    this.#connection = undefined;
    this.#open?.[Symbol.dispose]();
    this.#open = undefined;
  }
}

function returned(message: DbusMessage): DbusMessage {
  if (message.kind === "return") return message;
  const { errorName = "no reason" } = message;
  throw fail("unavailable", `systemd did not answer on the bus (${errorName})`, {
    cause: errorFrom(errorName),
  });
}

const SYSTEMD = { destination: "org.freedesktop.systemd1" } as const;
const NO_UNIT = "org.freedesktop.systemd1.NoUnitForPID";
/** Units with processes, by their suffix: the interface that has `Slice`. */
const KINDS: Readonly<Record<string, string>> = {
  service: "Service",
  scope: "Scope",
  slice: "Slice",
  socket: "Socket",
  mount: "Mount",
  swap: "Swap",
};
