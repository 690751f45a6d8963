/** One connection to a D-Bus message bus (D-Bus Specification, "Authentication Protocol", "Message Bus Messages"). */
import { type Socket, connect } from "node:net";
import { type AssayError, errorFrom, fail } from "../../../base/errors.ts";
import {
  type DbusCall,
  type DbusMessage,
  countOf,
  decodeMessage,
  encodeCall,
  messageLength,
  textOf,
} from "./dbus-wire.ts";

export class DbusConnection implements Disposable {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, PromiseWithResolvers<DbusMessage>>();
  readonly #greeting = Promise.withResolvers<void>();
  #isGreeted = false;
  #received: Buffer = Buffer.alloc(0);
  #serial = 0;
  #failure: AssayError | undefined;

  private constructor(path: string) {
    this.#greeting.promise.catch(() => undefined); // told by `open`, unless that was given up
    this.#socket = connect(path);
    this.#socket.on("connect", () => {
      const uid = Buffer.from(String(process.geteuid?.() ?? 0), "latin1").toString("hex");
      this.#socket.write(`\0AUTH EXTERNAL ${uid}\r\n`);
    });
    this.#socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on("error", (error) =>
      this.#end(fail("unavailable", `the bus at ${path}: ${error.message}`, { cause: error })),
    );
    this.#socket.on("close", () => this.#end(fail("unavailable", `the bus at ${path} hung up`)));
  }

  /**
   * Connects, proves who we are, says hello, and makes sure that the bus counts processes as we do.
   * @throws unavailable, denied; unsupported when the bus is in another PID namespace; what the signal is aborted with
   */
  static async open(path: string, signal: AbortSignal): Promise<DbusConnection> {
    const connection = new DbusConnection(path);
    const onAbort = (): void => connection.#end(errorFrom(signal.reason));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await connection.#greeting.promise;
      const name = textOf(await connection.#busCall("Hello", []));
      const known = await connection.call({
        ...BUS,
        member: "GetConnectionUnixProcessID",
        args: [name],
      });
      // An error: the agent has no PID at all there.
      const pid = known.kind === "return" ? countOf(known) : 0;
      if (pid !== process.pid) {
        throw fail(
          "unsupported",
          `the bus at ${path} knows the agent as process ${pid}: it is in another PID namespace, so what it says of a PID is about another process`,
        );
      }
      return connection;
    } catch (thrown) {
      const error = errorFrom(thrown);
      connection.#end(error);
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** The answer, a return or an error. @throws unavailable, invalid; limited when too many calls wait */
  async call(call: DbusCall): Promise<DbusMessage> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#waiting.size >= MAX_WAITING) {
      throw fail("limited", "too many calls wait for the bus; retry");
    }
    this.#serial = (this.#serial % MAX_SERIAL) + 1;
    const answer = Promise.withResolvers<DbusMessage>();
    this.#waiting.set(this.#serial, answer);
    this.#socket.write(encodeCall(call, this.#serial));
    return answer.promise;
  }

  [Symbol.dispose](): void {
    this.#end(fail("unavailable", "the connection to the bus was closed"));
  }

  async #busCall(member: string, args: readonly string[]): Promise<DbusMessage> {
    const answer = await this.call({ ...BUS, member, args });
    if (answer.kind !== "return") {
      throw fail("denied", `the bus refused ${member} (${answer.errorName ?? "no reason"})`);
    }
    return answer;
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    try {
      if (!this.#isGreeted && !this.#greet()) return;
      for (;;) {
        const length = messageLength(this.#received);
        if (length === undefined || this.#received.length < length) return;
        this.#take(decodeMessage(this.#received.subarray(0, length)));
        this.#received = this.#received.subarray(length);
      }
    } catch (thrown) {
      this.#end(errorFrom(thrown));
    }
  }

  /** @returns whether the bus has agreed to who we are */
  #greet(): boolean {
    const end = this.#received.indexOf("\r\n");
    if (end < 0 && this.#received.length < MAX_LINE) return false;
    const line = this.#received.toString("latin1", 0, Math.max(end, 0));
    if (!/^OK [0-9a-f]{32}$/.test(line)) {
      throw fail("denied", "the bus does not accept the agent's user, or is no D-Bus");
    }
    this.#received = this.#received.subarray(end + 2);
    this.#isGreeted = true;
    this.#socket.write("BEGIN\r\n");
    this.#greeting.resolve();
    return true;
  }

  /** Signals, and answers to nothing that was asked, are passed over. */
  #take(message: DbusMessage): void {
    const { kind, replySerial } = message;
    if ((kind !== "return" && kind !== "error") || replySerial === undefined) return;
    this.#waiting.get(replySerial)?.resolve(message);
    this.#waiting.delete(replySerial);
  }

  #end(error: AssayError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket.destroy();
    this.#greeting.reject(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

const BUS = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
} as const;
const MAX_WAITING = 1000;
const MAX_SERIAL = 2 ** 32 - 1;
const MAX_LINE = 1024;
