/** Typed selectors: what a table refuses, and what the server says of entries that no agent can satisfy. */
import t from "tap";
import {
  checkSelectorName,
  isAmongNames,
  isOwnSelectorType,
  selectorDoubt,
} from "../../src/attestors/selector-types.ts";
import { unixAttestor } from "../../src/attestors/workload/unix/attest.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { parseSelector } from "../../src/spiffe/selector.ts";
import { ENTRY_SERVICE, type TestServer, startTestServer } from "../support/server.ts";

const HEX64 = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7";

t.test("what SPIRE's plugins emit is accepted, each name of them, without a doubt", (t) => {
  const emitted = `unix:uid:1000 unix:user:nginx unix:gid:1000 unix:group:www-data unix:supplementary_gid:2000
    unix:supplementary_group:www-data unix:path:/usr/bin/nginx unix:sha256:${HEX64}
    docker:label:com.example.name:foo docker:label:empty: docker:env:VAR=val docker:env:EMPTY=
    docker:image_id:envoyproxy/envoy:contrib-v1.29.1 docker:image_config_digest:sha256:9f86d15f00a08
    docker:image-signature:verified docker:image-attestations:verified docker:image-signature-subject:a@b.c
    k8s:ns:a k8s:ns-label:a:b k8s:sa:default k8s:container-name:web k8s:container-image:docker.io/x@sha256:ab
    k8s:node-name:n k8s:pod-label:app:web k8s:pod-owner:ReplicaSet:web k8s:pod-owner-uid:ReplicaSet:1-2 k8s:pod-uid:1
    k8s:pod-name:web k8s:pod-image:x:y k8s:pod-image-count:1 k8s:pod-init-image:x k8s:pod-init-image-count:0
    k8s:image-signature:verified k8s:image-attestations:verified k8s:image-signature-value:MEUC=
    k8s:image-signature-subject:spirex@example.com k8s:image-signature-issuer:https://accounts.google.com
    k8s:image-signature-log-id:c0d2 k8s:image-signature-log-index:105695637
    k8s:image-signature-integrated-time:1719237832 k8s:image-signature-signed-entry-timestamp:MEU=
    k8s:uid:1 k8s:resource:deployments.apps k8s:plural:deployments k8s:group:apps k8s:version:v1 k8s:apiVersion:apps/v1
    k8s:kind:Deployment k8s:name:x k8s:namespace:y k8s:key:y/x k8s:label:app:web k8s:owner-key:apps/ReplicaSet/x
    k8s:owner-uid:apps/ReplicaSet/1 k8s:controller-key:apps/ReplicaSet/x k8s:controller-uid:apps/ReplicaSet/1
    systemd:id:nginx.service systemd:fragment_path:/lib/systemd/system/nginx.service
    k8s_psat:cluster:c k8s_psat:agent_ns:production k8s_psat:agent_sa:spire-agent k8s_psat:agent_pod_name:p
    k8s_psat:agent_pod_uid:7-1 k8s_psat:agent_pod_label:key:value k8s_psat:agent_node_ip:172.16.10.1
    k8s_psat:agent_node_name:minikube k8s_psat:agent_node_uid:5d k8s_psat:agent_node_label:key:value
    k8s_sat:cluster:c k8s_sat:agent_ns:n k8s_sat:agent_sa:s
    x509pop:subject:cn:example.org x509pop:ca:fingerprint:0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33
    x509pop:serialnumber:0a1b2c3d4e5f x509pop:san:environment:production http_challenge:hostname:p1.example.com
    aws_iid:account_id:123456789012 aws_iid:az:us-west-2b aws_iid:iamrole:arn:aws:iam::123456789012:role/Blog
    aws_iid:image:id:ami-5fb8c835 aws_iid:instance:id:i-0b22 aws_iid:tag:name:blog aws_iid:region:us-west-2
    aws_iid:sg:id:sg-01234567 aws_iid:sg:name:blog
    gcp_iit:project-id:big-kahuna-123456 gcp_iit:zone:us-west1-b gcp_iit:instance-name:blog-server
    gcp_iit:sa:1-compute@developer.gserviceaccount.com gcp_iit:tag:blog gcp_iit:label:k:v gcp_iit:metadata:k:v
    azure_imds:subscription-id:d5b4 azure_imds:vm-name:blog azure_imds:vmss-name:myvmss
    azure_imds:network-security-group:frontend:webservers azure_imds:resource-group:frontend
    azure_imds:vm-location:eastus azure_imds:virtual-network:vnet azure_imds:virtual-network-subnet:vnet:default
    azure_imds:vm-tag:environment:production azure_msi:subscription-id:d5b4 azure_msi:vm-name:frontend:blog
    azure_msi:network-security-group:frontend:webservers azure_msi:virtual-network:frontend:vnet
    azure_msi:virtual-network-subnet:frontend:vnet:default
    tpm_devid:subject:cn:example.org tpm_devid:issuer:cn:authority.org
    tpm_devid:ca:fingerprint:9ba51e2643bea24e91d24bdec3a1aaf8e967b6e5 spiffe_id:spiffe://example.org/spire/agent/x/y`;
  const ours = `systemd:slice:system.slice docker:name:web podman:label:a:b podman:user:1000:label:a:b
    token:ci:sub:repo:a/b oidc:github:repository:a/b`;
  for (const text of `${emitted} ${ours}`.split(/\s+/)) {
    const selector = parseSelector(text);
    checkSelectorName(selector);
    t.equal(selectorDoubt(selector), undefined, text);
    t.equal(isOwnSelectorType(selector.type), true, text);
  }
  const { type, names } = unixAttestor({ clock: systemClock, logger: silentLogger });
  for (const name of names) checkSelectorName({ type, value: `${name}:x` });
  t.end();
});

t.test("a name that does not exist is refused with the nearest right one", (t) => {
  const cases: [string, RegExp][] = [
    ["k8s:pod_name:web", /type k8s has no 'pod_name'; did you mean 'k8s:pod-name'\?/],
    ["k8s:NS:web", /did you mean 'k8s:ns'/],
    ["k8s:podlabel:a:b", /did you mean 'k8s:pod-label'/],
    ["k8s:service-account:x", /type k8s has no 'service-account'; it has ns, /],
    ["unix:uiid:0", /did you mean 'unix:uid'/],
    ["unix:sha-256:ab", /did you mean 'unix:sha256'/],
    ["docker:image-id:x", /did you mean 'docker:image_id'/],
    ["docker:lable:a:b", /did you mean 'docker:label'/],
    [
      "podman:user:1000:lable:a:b",
      /type podman has no 'user:1000:lable'; did you mean 'podman:user:1000:label'\?/,
    ],
    ["podman:user:1000:user:0:name:x", /type podman has no 'user:1000:user'; it has label, env/],
    ["podman:user:1000:name", /has no value; write podman:user:1000:name:VALUE/],
    ["systemd:unit:x", /type systemd has no 'unit'; it has id, fragment_path, slice/],
    ["systemd:fragment-path:/x", /did you mean 'systemd:fragment_path'/],
    ["k8s_psat:agent-ns:x", /did you mean 'k8s_psat:agent_ns'/],
    ["aws_iid:sg-id:x", /did you mean 'aws_iid:sg:id'/],
    ["aws_iid:sg:di:x", /did you mean 'aws_iid:sg:id'/],
    ["x509pop:subject:ou:x", /did you mean 'x509pop:subject:cn'/],
    ["tpm_devid:fingerprint:ab", /did you mean 'tpm_devid:ca:fingerprint'/],
    ["k8s:pod-name", /has no value; write k8s:pod-name:VALUE/],
    ["unix:__proto__:x", /type unix has no '__proto__'/],
    ["unix:constructor:x", /type unix has no 'constructor'/],
    ["unix::x", /type unix has no ''/],
    [`unix:${"u".repeat(4000)}:x`, /has no 'u{64}\.\.\.'/],
    ["join_token:abc", /none of the type join_token; name the agent with spiffe_id:ID/],
    ["sshpop:x:y", /none of the type sshpop/],
    ["token:k8s", /not written as token:ISSUER:CLAIM:VALUE/],
    ["oidc:github:sub:", /not written as oidc:ISSUER:CLAIM:VALUE/],
  ];
  for (const [text, message] of cases) {
    t.throws(() => checkSelectorName(parseSelector(text)), { kind: "invalid", message }, text);
  }
  for (const foreign of ["slurm:job_id:1", "windows:user_name:x", "a:b", "K8S:pod_name:x"]) {
    checkSelectorName(parseSelector(foreign));
    t.equal(isOwnSelectorType(parseSelector(foreign).type), false, foreign);
  }
  t.end();
});

t.test("a value that nobody can have is doubted", (t) => {
  const cases: [string, RegExp][] = [
    ["unix:uid:root", /value of unix:uid is a number/],
    ["unix:uid:01", /is a number/],
    ["unix:path:usr/bin/x", /absolute path/],
    [`unix:sha256:${HEX64.toUpperCase()}`, /64 lower-case hex digits/],
    ["docker:label:app", /KEY:VALUE/],
    ["docker:env:A:b", /NAME=VALUE/],
    ["podman:user:somebody:label:a:b", /written as UID:NAME:VALUE/],
    ["podman:user:1000:label:app", /value of podman:user:1000:label is written as KEY:VALUE/],
    ["k8s:pod-image-count:one", /a number/],
    ["k8s:image-signature:yes", /'verified'/],
    ["spiffe_id:host", /a SPIFFE ID/],
    ["aws_iid:account_id:1", /twelve digits/],
  ];
  for (const [text, words] of cases) t.match(selectorDoubt(parseSelector(text)), words, text);
  t.equal(selectorDoubt(parseSelector("a:b")), undefined);
  const among = (text: string, ...names: string[]) =>
    isAmongNames(parseSelector(text), new Set(names));
  t.equal(among("x509pop:subject:cn:a", "x509pop:subject:cn"), true);
  t.equal(among("unix:uid:1", "unix:user", "unix"), true);
  t.equal(among("unix:uid:1", "unix:ui", "unix:uid:1"), false);
  t.end();
});

interface Written {
  readonly results: readonly {
    readonly status: { readonly code: number; readonly message: string };
    readonly entry: { readonly id: string } | null;
  }[];
}

t.test("an entry that no agent below its parent can satisfy is made with a warning", async (t) => {
  const server = await startTestServer(t);
  const agent = await server.attest();
  const other = await server.attest();
  const call = async (method: string, request: object) => {
    const warnings: string[] = [];
    const answer = await server.admin.unary<Written>(ENTRY_SERVICE, method, request, {
      onWarning: (warning) => warnings.push(warning),
    });
    return { answer, warnings };
  };
  let count = 0;
  const create = (parent: object, ...selectors: string[]) =>
    call("BatchCreateEntry", {
      entries: [
        {
          spiffe_id: { trust_domain: "example.org", path: `/w${count++}` },
          parent_id: parent,
          selectors: selectors.map(parseSelector),
        },
      ],
    });
  const report = (from: typeof agent, ...selector_names: string[]) =>
    from.channel.unary("assay.agent.v1.AgentHost", "ReportHost", { facts: { selector_names } });
  const group = { trust_domain: "example.org", path: "/group" };
  const members = [agent, other].map((each) => `spiffe_id:${each.spiffeId}`);

  t.same((await create(agent.id, "k8s:ns:a")).warnings, [], "it has said nothing yet");
  await report(agent, "unix:uid", "unix:path");
  const { answer, warnings } = await create(agent.id, "unix:uid:1", "docker:label:a:b");
  t.match(warnings, [/no agent below spiffe:.* finds out docker:label:a:b: none of them/]);
  t.same((await create(agent.id, "unix:uid:2")).warnings, []);
  t.match((await create(agent.id, "unix:gid:2")).warnings, [/finds out unix:gid:2/]);
  t.match((await create(agent.id, "k8s:ns-label:a:b")).warnings, [/finds out k8s:ns-label:a:b/]);
  t.match((await create(agent.id, "unix:uid:x")).warnings, [/unix:uid is a number/]);

  t.same((await create(agent.id, `spiffe_id:${agent.spiffeId}`)).warnings, [], "a token's alias");

  const shown = await call("GetEntry", { id: answer.results[0]?.entry?.id });
  t.equal(shown.warnings.length, 1);
  t.match(shown.warnings, [/finds out docker:label/]);

  // A parent that is another entry, and one that groups agents.
  await create(agent.id, "unix:uid:3");
  const nested = { trust_domain: "example.org", path: `/w${count - 1}` };
  t.match((await create(nested, "k8s:ns:a")).warnings, [/finds out k8s:ns:a/]);
  for (const selector of members) await alias(server, group, selector);
  t.same((await create(group, "k8s:ns:b")).warnings, [], "the other one may be anything");
  await report(other, "unix:uid", "k8s:ns");
  t.same((await create(group, "k8s:ns:c")).warnings, []);
  t.match((await create(group, "k8s:sa:c")).warnings, [/finds out k8s:sa:c/]);
  t.match((await create(group, "k8s:ns-label:a:b")).warnings, [/finds out k8s:ns-label:a:b/]);
  await report(other, "unix:uid", "k8s:ns", "k8s:ns-label");
  t.same((await create(group, "k8s:ns-label:a:b")).warnings, [], "one has it switched on");
  const split = await create(group, "k8s:ns:c", "unix:path:/x");
  t.match(split.warnings, [/none of them/], "one of them knows each, and none both");
  t.same((await create({ ...group, path: "/nobody" }, "k8s:ns:a")).warnings, []);

  const refusal = (await create(agent.id, "unix:uiid:1")).answer.results[0];
  t.match(refusal, { status: { code: 3, message: /selectors\[0\]: .*did you mean 'unix:uid'/ } });
  const changed = await call("BatchUpdateEntry", {
    entries: [{ id: answer.results[0]?.entry?.id, selectors: [parseSelector("k8s:pod_name:a")] }],
    input_mask: { selectors: true },
  });
  t.match(changed.answer.results[0]?.status, { code: 3, message: /'k8s:pod-name'/ });
});

async function alias(server: TestServer, id: object, selector: string): Promise<void> {
  await server.createEntry({
    spiffe_id: id,
    parent_id: { trust_domain: "example.org", path: "/spire/server" },
    selectors: [parseSelector(selector)],
  });
}
