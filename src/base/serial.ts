/** Runs tasks one after another, in the order they came; a task that fails does not stop the next. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  /** @returns what the task comes to, once its turn has come */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    // The caller has `result`; the chain only needs to know that it is over.
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Resolves when everything asked for so far is over. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
