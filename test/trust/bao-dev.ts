/** A real OpenBao for one test, in its development mode: in memory, unsealed, KV version 2 at `secret`. */
import { type OpenBao, openBao } from "./openbao.ts";
import { until } from "../support/patience.ts";

export class BaoDev implements AsyncDisposable {
  readonly address: string;
  readonly #bao: OpenBao;

  private constructor(bao: OpenBao) {
    this.address = bao.address;
    this.#bao = bao;
  }

  static async start(): Promise<BaoDev> {
    const bao = new BaoDev(await openBao());
    try {
      // The engine's own upgrade takes a moment longer than the start.
      await until(
        "OpenBao is ready",
        async () => (await bao.ask("GET", "secret/config")).status === 200,
      );
      return bao;
    } catch (error) {
      await bao[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** As root. */
  async ask(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
    const answer = await this.#bao.request(method, path, body);
    const text = await answer.text();
    return {
      status: answer.status,
      body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
    };
  }

  /** A token with the rights of this policy and no other. */
  async token(policy: string): Promise<string> {
    await this.ask("PUT", "sys/policies/acl/of-the-test", { policy });
    const { body } = await this.ask("POST", "auth/token/create", {
      policies: ["of-the-test"],
      no_default_policy: true,
    });
    return (body["auth"] as { client_token: string }).client_token;
  }

  /** From now on it takes connections and answers nothing. */
  pause(): Promise<void> {
    return this.#bao.freeze();
  }

  resume(): void {
    this.#bao.thaw();
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#bao[Symbol.asyncDispose]();
  }
}
