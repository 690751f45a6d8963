import type {
  AuthorityRecord,
  NodeFilter,
  NodeRecord,
} from "../../../src/server/datastore/contract.ts";
import type { Check } from "./conformance.ts";
import {
  holding,
  match,
  rejectsWith,
  sampleAuthority,
  sampleNode,
  sampleRelationship,
  selectors,
  walk,
} from "./samples.ts";

export async function aggregatesConformance(check: Check): Promise<void> {
  await check("nodes", async (t, { store }) => {
    const full = sampleNode("a", {
      newSerial: "ff",
      newExpiresAt: 5,
      selectors: selectors("s:1", "s:2"),
      banned: true,
      canReattest: true,
      agentVersion: "1.2",
      keyHash: "aa",
      hostFacts: '{"os":"linux"}',
    });
    const b = sampleNode("b", { attestationType: "x509pop", selectors: selectors("s:1") });
    const c = sampleNode("c", { expiresAt: 10, serial: "" });
    await store.transaction(async (w) => {
      for (const node of [c, full, b]) await w.nodes.put(node);
    });
    t.same(await store.nodes.get(full.spiffeId), full);
    t.equal(await store.nodes.get("spiffe://example.org/none"), undefined);
    const cases: [NodeFilter, NodeRecord[]][] = [
      [{}, [full, b, c]],
      [{ attestationType: "x509pop" }, [b]],
      [{ banned: true }, [full]],
      [{ banned: false }, [b, c]],
      [{ canReattest: true }, [full]],
      [{ expiresBefore: 11 }, [c]],
      [{ expiresBefore: 10 }, []],
      [match("superset", "s:1"), [full, b]],
      [match("subset", "s:1", "s:3"), [b]],
      [match("exact", "s:1", "s:2"), [full]],
      [match("any", "s:2"), [full]],
      [{ ...match("any", "s:1"), banned: false }, [b]],
    ];
    for (const [filter, want] of cases) {
      const title = JSON.stringify(filter);
      t.same((await store.nodes.list(filter)).items, want, title);
      t.equal(await store.nodes.count(filter), want.length, title);
      const walked = await walk(
        (page) => store.nodes.list(filter, page),
        1,
        (node) => node,
      );
      t.same(walked, want, title);
    }
    const changed = { ...full, selectors: selectors("s:9"), banned: false };
    await store.transaction((w) => w.nodes.put(changed));
    t.same(await store.nodes.get(full.spiffeId), changed);
    t.equal(await store.nodes.count(match("any", "s:2")), 0);
    t.equal(await store.nodes.count(match("exact", "s:9")), 1);
    t.equal(await store.transaction((w) => w.nodes.delete(full.spiffeId)), true);
    t.equal(await store.transaction((w) => w.nodes.delete(full.spiffeId)), false);
    t.equal(await store.nodes.count(match("any", "s:9")), 0);
  });

  await check("join tokens", async (t, { store }) => {
    const token = { hash: "ab", expiresAt: 100, createdAt: 1 };
    await store.transaction((w) => w.tokens.create(token));
    await rejectsWith(t, "exists", () => store.transaction((w) => w.tokens.create(token)));
    t.same(await store.tokens.get("ab"), token);
    const more = [
      { hash: "cd", expiresAt: 99, createdAt: 3 },
      { hash: "aa", expiresAt: 100, createdAt: 2 },
    ];
    for (const each of more) await store.transaction((w) => w.tokens.create(each));
    const expired = async (now: number, limit: number) =>
      (await store.tokens.listExpired(now, limit)).map(({ hash }) => hash);
    t.same(await expired(99, 10), []);
    t.same(await expired(100, 10), ["cd"]);
    t.same(await expired(101, 10), ["cd", "aa", "ab"], "the oldest first");
    t.same(await store.transaction((w) => w.tokens.listExpired(101, 2)), more);
    const spent = await Promise.all(
      [1, 2, 3].map(() => store.transaction((w) => w.tokens.delete("ab"))),
    );
    t.equal(spent.filter(Boolean).length, 1, "spent once");
    t.equal(await store.tokens.get("ab"), undefined);
    t.equal(await store.changes.current(), 0, "tokens are not in the change feed");
  });

  await check("bound tokens", async (t, { store, reopen }) => {
    const token = { fingerprint: "ab", keyHash: "cd", expiresAt: 100 };
    await store.transaction((w) => w.boundTokens.create(token));
    await rejectsWith(t, "exists", () => store.transaction((w) => w.boundTokens.create(token)));
    t.same(await store.boundTokens.get("ab"), token);
    t.equal(await store.boundTokens.get("cd"), undefined);
    t.equal(await store.boundTokens.count(), 1);
    t.equal(await store.transaction((w) => w.boundTokens.prune(100)), 0);
    t.equal(await store.changes.current(), 0, "they are not in the change feed");
    const again = reopen === undefined ? store : await reopen();
    t.same(await again.boundTokens.get("ab"), token, "and survive");
    t.equal(await again.transaction((w) => w.boundTokens.prune(101)), 1);
  });

  await check("one-time tokens", async (t, { store, reopen }) => {
    const token = { hash: "ab", entryId: "e", expiresAt: 100 };
    await store.transaction((w) => w.oneTimeTokens.create(token));
    await rejectsWith(t, "exists", () => store.transaction((w) => w.oneTimeTokens.create(token)));
    t.same(await store.oneTimeTokens.get("ab"), token);
    t.equal(await store.oneTimeTokens.count(), 1);
    const spent = await Promise.all(
      [1, 2, 3].map(() => store.transaction((w) => w.oneTimeTokens.delete("ab"))),
    );
    t.equal(spent.filter(Boolean).length, 1, "spent once");
    await store.transaction((w) => w.oneTimeTokens.create(token));
    t.equal(await store.transaction((w) => w.oneTimeTokens.prune(100)), 0);
    t.equal(await store.changes.current(), 0, "they are not in the change feed");
    const again = reopen === undefined ? store : await reopen();
    t.same(await again.oneTimeTokens.get("ab"), token, "and survive");
    t.equal(await again.transaction((w) => w.oneTimeTokens.prune(101)), 1);
    t.equal(await again.oneTimeTokens.get("ab"), undefined);
  });

  await check("renewable certificates", async (t, { store, reopen }) => {
    const first = {
      hash: "ab",
      tokenHash: "t",
      entryId: "e",
      authorityId: "aa",
      serial: "01",
      expiresAt: 100,
    };
    // Older by its hash: they come as they were made.
    const second = { ...first, hash: "aa", serial: "02", expiresAt: 90 };
    const other = { ...first, hash: "cd", tokenHash: "u" };
    for (const each of [first, second, other]) {
      await store.transaction((w) => w.renewableCertificates.create(each));
    }
    await rejectsWith(t, "exists", () =>
      store.transaction((w) => w.renewableCertificates.create(first)),
    );
    t.same(await store.renewableCertificates.get("ab"), first);
    t.same(await store.renewableCertificates.ofToken("t"), [first, second]);
    t.equal(await store.renewableCertificates.count(), 3);
    t.equal(await store.transaction((w) => w.renewableCertificates.delete("cd")), true);
    t.equal(await store.transaction((w) => w.renewableCertificates.delete("cd")), false);
    t.equal(await store.transaction((w) => w.renewableCertificates.prune(90)), 0);
    t.equal(await store.changes.current(), 0, "they are not in the change feed");
    const again = reopen === undefined ? store : await reopen();
    t.same(await again.renewableCertificates.ofToken("t"), [first, second], "and survive");
    t.equal(await again.transaction((w) => w.renewableCertificates.prune(91)), 1);
    t.equal(await again.renewableCertificates.get("aa"), undefined);
  });

  await check("bundles", async (t, { store }) => {
    const put = (td: string, content: string) =>
      store.transaction((w) => w.bundles.put(td, content));
    t.same(await put("b", "1"), { trustDomain: "b", content: "1", sequence: 1 });
    const revision = await store.changes.current();
    t.same(await put("b", "1"), { trustDomain: "b", content: "1", sequence: 1 });
    t.equal(await store.changes.current(), revision, "an equal content changes nothing");
    t.same(await put("b", "2"), { trustDomain: "b", content: "2", sequence: 2 });
    await put("c", "c");
    await put("a", "a");
    t.same(await store.bundles.get("b"), { trustDomain: "b", content: "2", sequence: 2 });
    const names = (size: number) =>
      walk(
        (page) => store.bundles.list(page),
        size,
        ({ trustDomain }) => trustDomain,
      );
    t.same(await names(2), ["a", "b", "c"]);
    t.equal((await store.bundles.list()).items.length, 3);
    t.equal(await store.transaction((w) => w.bundles.delete("b")), true);
    t.equal(await store.transaction((w) => w.bundles.delete("b")), false);
    t.equal(await store.bundles.get("b"), undefined);
    t.same(await names(1), ["a", "c"]);
    t.equal(await store.bundles.count(), 2);
    t.ok((await put("b", "2")).sequence > 2, "a sequence never goes back");
  });

  await check("federation relationships", async (t, { store, reopen }) => {
    const web = sampleRelationship("b");
    const spiffe = sampleRelationship("a", {
      endpointProfile: "https_spiffe",
      endpointSpiffeId: "spiffe://a/bundle",
    });
    await store.transaction(async (w) => {
      for (const each of [web, spiffe, sampleRelationship("c")]) await w.relationships.put(each);
    });
    t.same(await store.relationships.get("a"), spiffe);
    t.equal(await store.relationships.get("none"), undefined);
    t.equal(await store.relationships.count(), 3);
    const walked = await walk(
      (page) => store.relationships.list(page),
      2,
      ({ trustDomain }) => trustDomain,
    );
    t.same(walked, ["a", "b", "c"]);
    const revision = await store.changes.current();
    const moved = { ...web, endpointUrl: "https://elsewhere.example/bundle" };
    await store.transaction((w) => w.relationships.put(moved));
    t.equal(await store.transaction((w) => w.relationships.delete("c")), true);
    t.equal(await store.transaction((w) => w.relationships.delete("c")), false);
    t.same((await store.relationships.list()).items, [spiffe, moved]);
    t.same(
      (await store.changes.since(revision, 9)).map(({ subject, key }) => [subject, key]),
      [
        ["relationship", "b"],
        ["relationship", "c"],
      ],
    );
    await rejectsWith(t, "invalid", () => store.relationships.list({ size: 1, token: "x" }));
    const bundles = await store.transaction(async (w) => {
      await w.bundles.put("a", "1");
      await w.bundles.put("b", "1");
      return w.bundles.list({ size: 1 });
    });
    const token = bundles.nextToken ?? "";
    await rejectsWith(t, "invalid", () => store.relationships.list({ size: 1, token }));
    const again = await reopen?.();
    if (again === undefined) return;
    await holding(again, async () => {
      t.same((await again.relationships.list()).items, [spiffe, moved]);
    });
  });

  await check("revocations and revocation lists", async (t, { store, reopen }) => {
    const revocation = { spiffeId: "spiffe://a/b", reason: "superseded", revokedAt: 10 };
    const one = { ...revocation, authorityId: "a1", serial: "1", expiresAt: 100 };
    const two = { ...one, serial: "2", revokedAt: 5, expiresAt: 200 };
    const crl = { authorityId: "a1", number: 1, nextUpdate: 50, der: "AAAA" };
    await store.transaction(async (w) => {
      t.equal(await w.revocations.create(one), true);
      t.equal(await w.revocations.create({ ...one, reason: "unspecified" }), false);
      t.equal(await w.revocations.create({ ...one, authorityId: "a2" }), true);
      t.equal(await w.revocations.create(two), true);
      await w.revocations.putCrl(crl);
    });
    t.same(await store.revocations.list(), [two, one, { ...one, authorityId: "a2" }]);
    t.same(await store.revocations.crl("a1"), crl);
    t.equal(await store.revocations.crl("a2"), undefined);
    const revision = await store.changes.current();
    const newer = { ...crl, number: 2 };
    await store.transaction(async (w) => {
      await w.revocations.putCrl(newer);
      await w.revocations.putCrl({ ...crl, authorityId: "a0" });
    });
    t.same(await store.revocations.crls(), [{ ...crl, authorityId: "a0" }, newer]);
    t.equal(await store.transaction((w) => w.revocations.deleteCrl("a0")), true);
    t.equal(await store.transaction((w) => w.revocations.deleteCrl("a0")), false);
    t.equal(await store.transaction((w) => w.revocations.prune(100)), 0);
    t.equal(await store.transaction((w) => w.revocations.prune(101)), 2);
    t.same(
      (await store.changes.since(revision, 9)).map(({ subject, key }) => [subject, key]),
      [
        ["revocation", "a1"],
        ["revocation", "a0"],
        ["revocation", "a0"],
        ["revocation", ""],
      ],
    );
    const again = await reopen?.();
    if (again === undefined) return;
    await holding(again, async () => {
      t.same(await again.revocations.list(), [two]);
      t.same(await again.revocations.crls(), [newer]);
    });
  });

  await check("authorities that were revoked", async (t, { store, reopen }) => {
    const root = { set: "set", kind: "x509", id: "a1", notAfter: 100 } as const;
    const key = { set: "set", kind: "jwt", id: "a1", notAfter: 200 } as const;
    await store.transaction(async (w) => {
      await w.revokedAuthorities.put(root);
      await w.revokedAuthorities.put(key);
      await w.revokedAuthorities.put({ ...root, set: "other" });
      t.same(await w.revokedAuthorities.list("set"), [key, root]);
    });
    await store.transaction((w) => w.revokedAuthorities.put({ ...root, notAfter: 150 }));
    t.same(await store.revokedAuthorities.list("set"), [key, { ...root, notAfter: 150 }]);
    t.equal(await store.transaction((w) => w.revokedAuthorities.prune(100)), 0);
    t.equal(await store.transaction((w) => w.revokedAuthorities.prune(151)), 2);
    const again = await reopen?.();
    if (again === undefined) return;
    await holding(again, async () => {
      t.same(await again.revokedAuthorities.list("set"), [key]);
      t.same(await again.revokedAuthorities.list("other"), []);
    });
  });

  await check("authorities", async (t, { store }) => {
    const one = sampleAuthority("1", { createdAt: 20 });
    const two = sampleAuthority("2", { createdAt: 10, kind: "jwt", chain: [], roots: [] });
    await store.transaction(async (w) => {
      await w.authorities.put(one);
      await w.authorities.put(two);
      await w.authorities.put(sampleAuthority("1", { set: "other" }));
    });
    t.same(await store.authorities.list("set"), [two, one]);
    const tainted: AuthorityRecord = { ...one, status: "old", tainted: true };
    await store.transaction((w) => w.authorities.put(tainted));
    t.same(await store.authorities.list("set"), [two, tainted]);
    t.equal(await store.transaction((w) => w.authorities.delete("set", "jwt", "1")), false);
    t.equal(await store.transaction((w) => w.authorities.delete("set", "x509", "1")), true);
    t.same(await store.authorities.list("set"), [two]);
    t.equal((await store.authorities.list("other")).length, 1);
  });
}
