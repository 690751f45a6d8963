import { LruMap } from "../../../base/lru.ts";
import type { Selector } from "../../../spiffe/selector.ts";
import type { ProcessFacts } from "../../contract.ts";
import type { UnmappedIds } from "../user-namespace.ts";
import type { AccountNames } from "./account-names.ts";
import type { Executable } from "./executable.ts";

/** Puts facts that were read into selectors: the same array for the same facts, while the account files stay as they are. */
export class SelectorMaker {
  readonly #users: AccountNames;
  readonly #groups: AccountNames;
  readonly #made = new LruMap<string, readonly Selector[]>(MAX_KINDS);
  /** By the very program: what it was told last, for whom. Most programs run as one user. */
  #latest = new WeakMap<Executable, Made>();
  #userNames: ReadonlyMap<number, string> | undefined;
  #groupNames: ReadonlyMap<number, string> | undefined;

  readonly #unmapped: UnmappedIds;

  /** @param unmapped ids that are nobody's in particular, and so none to go by */
  constructor(users: AccountNames, groups: AccountNames, unmapped: UnmappedIds) {
    this.#users = users;
    this.#groups = groups;
    this.#unmapped = unmapped;
  }

  make(process: ProcessFacts, executable: Executable | undefined): readonly Selector[] {
    this.#refresh();
    const { uid, gid, groups } = process;
    if (groups.length > MAX_KEPT_GROUPS) return this.#compose(process, executable);
    const last = executable && this.#latest.get(executable);
    if (last?.groups === groups && last.uid === uid && last.gid === gid) return last.selectors;
    const selectors = this.#make(process, executable);
    if (executable !== undefined) this.#latest.set(executable, { uid, gid, groups, selectors });
    return selectors;
  }

  #make(process: ProcessFacts, executable: Executable | undefined): readonly Selector[] {
    const { uid, gid, groups } = process;
    const key = `${uid}:${gid}:${groups.join()}:${executable?.sha256}:${executable?.path}`;
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const made = this.#compose(process, executable);
    this.#made.set(key, made);
    return made;
  }

  #refresh(): void {
    const users = this.#users.all();
    const groups = this.#groups.all();
    if (users === this.#userNames && groups === this.#groupNames) return;
    this.#userNames = users;
    this.#groupNames = groups;
    this.#made.clear();
    this.#latest = new WeakMap();
  }

  #compose(process: ProcessFacts, executable: Executable | undefined): readonly Selector[] {
    const unmapped = this.#unmapped;
    const { uid, gid } = process;
    const values: string[] = [];
    if (uid !== unmapped.uid) values.push(`uid:${uid}`);
    if (gid !== unmapped.gid) values.push(`gid:${gid}`);
    const user = uid === unmapped.uid ? undefined : this.#userNames?.get(uid);
    if (user !== undefined) values.push(`user:${user}`);
    const group = gid === unmapped.gid ? undefined : this.#groupNames?.get(gid);
    if (group !== undefined) values.push(`group:${group}`);
    for (const other of process.groups) {
      if (other === unmapped.gid) continue;
      values.push(`supplementary_gid:${other}`);
      const name = this.#groupNames?.get(other);
      if (name !== undefined) values.push(`supplementary_group:${name}`);
    }
    if (executable !== undefined) values.push(`path:${executable.path}`);
    if (executable?.sha256 !== undefined) values.push(`sha256:${executable.sha256}`);
    return Object.freeze(values.map((value) => ({ type: "unix", value })));
  }
}

interface Made {
  readonly uid: number;
  readonly gid: number;
  /** The very list: the same one stands for the same groups, until the kernel names others. */
  readonly groups: readonly number[];
  readonly selectors: readonly Selector[];
}

/** Kinds of processes whose selectors are kept. */
const MAX_KINDS = 1024;
/** A process may have 65,536 groups; few have more than a handful. */
const MAX_KEPT_GROUPS = 64;
