#!/bin/bash
# A whole Kubernetes on one machine: a control plane, and nodes that each have a network, mount and PID namespace and a
# cgroup subtree of their own, with real kubelets, kube-proxies, containerds and pods. Needs root.
#   cluster.sh up NODES | node-start I | node-stop I | link I down|up | down
# Environment: STATE (a folder for all that it keeps), KUBE (the binary of kube/main.go), SLOT (0-9, default 0: clusters
# with different slots stand side by side), IMAGES (docker archives to import, separated by blanks).
set -euo pipefail
: "${STATE:?a folder for state}" "${KUBE:?the binary of kube/main.go}"
SLOT=${SLOT:-0} IMAGES=${IMAGES:-}
BRIDGE=kbr$SLOT NET=10.200.$SLOT PODS=10.$((100 + SLOT)) API=10.200.$SLOT.1 PORT=6443
ETCD=$((22379 + 10 * SLOT)) URL=https://$API:$PORT PKI=$STATE/pki
netns_of() { echo "kn$SLOT-$1"; }
veth_of() { echo "kv$SLOT-$1"; }
address_of() { echo "$NET.$((10 + $1))"; }
cgroup_of() { echo "kube$SLOT-node$1"; }

# start NAME COMMAND...: in the background, in a session of its own, output to log/NAME.log, its id to run/NAME.pid.
start() {
  local name=$1
  shift
  setsid nohup "$@" </dev/null >"$STATE/log/$name.log" 2>&1 &
  echo $! >"$STATE/run/$name.pid"
}

stop() { # NAME: at once
  local pid
  pid=$(cat "$STATE/run/$1.pid" 2>/dev/null) || return 0
  # What a killed run has left may have ended since, and its number may be another process's.
  ! grep -qsF "STATE=$STATE" "/proc/$pid/environ" || kill -9 "$pid" 2>/dev/null || true
  rm -f "$STATE/run/$1.pid"
}

# certificate NAME SUBJECT SAN USAGE: key and certificate below the cluster's CA; clients get a kubeconfig as well.
certificate() {
  local name=$1 subject=$2 san=$3 usage=$4
  cd "$PKI"
  openssl ecparam -name prime256v1 -genkey -noout -out "$name.key"
  openssl req -new -key "$name.key" -subj "$subject" -out "$name.csr"
  { echo "basicConstraints=critical,CA:FALSE"; echo "extendedKeyUsage=$usage"; [ -z "$san" ] || echo "subjectAltName=$san"; } >"$name.ext"
  openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile "$name.ext" -out "$name.crt" 2>/dev/null
  rm "$name.csr" "$name.ext"
  [ "$usage" = clientAuth ] || { cd - >/dev/null; return 0; }
  cat >"$name.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "$URL", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: u, user: {client-certificate-data: $(base64 -w0 "$name.crt"), client-key-data: $(base64 -w0 "$name.key")}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
END
  cd - >/dev/null
}

make_pki() {
  mkdir -p "$PKI"
  openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/ca.key"
  openssl req -x509 -new -key "$PKI/ca.key" -subj /CN=kubernetes-ca -days 30 -out "$PKI/ca.crt" 2>/dev/null
  openssl genrsa -out "$PKI/sa.key" 2048 2>/dev/null
  openssl rsa -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub" 2>/dev/null
  certificate apiserver /CN=kube-apiserver "IP:127.0.0.1,IP:$API,IP:10.96.0.1,DNS:kubernetes.default.svc" serverAuth
  certificate kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client "" clientAuth
  certificate admin /O=system:masters/CN=admin "" clientAuth
  certificate controller-manager /CN=system:kube-controller-manager "" clientAuth
  certificate scheduler /CN=system:kube-scheduler "" clientAuth
  certificate proxy /CN=system:kube-proxy "" clientAuth
}

kubectl() { "$KUBE" kubectl --kubeconfig "$PKI/admin.kubeconfig" "$@"; }

control_plane_up() {
  ip link add "$BRIDGE" type bridge
  ip addr add "$API/24" dev "$BRIDGE"
  ip link set "$BRIDGE" up
  sysctl -qw net.ipv4.ip_forward=1
  start etcd "$KUBE" etcd --name e --data-dir "$STATE/etcd" --unsafe-no-fsync --log-level=warn \
    --listen-client-urls "http://127.0.0.1:$ETCD" --advertise-client-urls "http://127.0.0.1:$ETCD" \
    --listen-peer-urls "http://127.0.0.1:$((ETCD + 1))" --initial-advertise-peer-urls "http://127.0.0.1:$((ETCD + 1))" \
    --initial-cluster "e=http://127.0.0.1:$((ETCD + 1))"
  start apiserver "$KUBE" kube-apiserver --etcd-servers="http://127.0.0.1:$ETCD" \
    --bind-address="$API" --advertise-address="$API" --secure-port=$PORT --profiling=false --allow-privileged=true \
    --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" --client-ca-file="$PKI/ca.crt" \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$PKI/sa.pub" \
    --service-account-signing-key-file="$PKI/sa.key" --service-cluster-ip-range=10.96.0.0/24 \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --kubelet-client-certificate="$PKI/kubelet-client.crt" --kubelet-client-key="$PKI/kubelet-client.key" \
    --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP
  for _ in $(seq 3000); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
  start controller-manager "$KUBE" kube-controller-manager --kubeconfig="$PKI/controller-manager.kubeconfig" \
    --authentication-kubeconfig="$PKI/controller-manager.kubeconfig" \
    --authorization-kubeconfig="$PKI/controller-manager.kubeconfig" --bind-address="$API" --root-ca-file="$PKI/ca.crt" \
    --service-account-private-key-file="$PKI/sa.key" --use-service-account-credentials --leader-elect=false \
    --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key"
  start scheduler "$KUBE" kube-scheduler --kubeconfig="$PKI/scheduler.kubeconfig" \
    --authentication-kubeconfig="$PKI/scheduler.kubeconfig" \
    --authorization-kubeconfig="$PKI/scheduler.kubeconfig" --bind-address="$API" --leader-elect=false
}

network_up() { # I
  local i=$1 ns veth address
  ns=$(netns_of "$i") veth=$(veth_of "$i") address=$(address_of "$i")
  [ ! -e "/run/netns/$ns" ] || return 0
  ip netns add "$ns"
  ip link add "$veth" type veth peer name eth0 netns "$ns"
  ip link set "$veth" master "$BRIDGE" up
  ip -n "$ns" link set lo up
  ip -n "$ns" addr add "$address/24" dev eth0
  ip -n "$ns" link set eth0 up
  routes_up "$i"
  ip netns exec "$ns" sysctl -qw net.ipv4.ip_forward=1
  ip netns exec "$ns" iptables -t nat -A POSTROUTING -s "$PODS.$i.0/24" ! -d "$PODS.0.0/16" -o eth0 -j MASQUERADE
  ip route replace "$PODS.$i.0/24" via "$address"
}

routes_up() { # I: the way out, and to the pods of the other nodes
  local other
  ip -n "$(netns_of "$1")" route replace default via "$API"
  for other in 1 2 3 4; do
    [ "$other" = "$1" ] || ip -n "$(netns_of "$1")" route replace "$PODS.$other.0/24" via "$(address_of "$other")"
  done
}

node_up() { # I
  local i=$1 name=node$1 dir=$STATE/node$1 address cgroup path file
  address=$(address_of "$i") cgroup=$(cgroup_of "$i")
  mkdir -p "$dir"/{containerd,run,kubelet,cni,manifests,podlogs,cni-ipam,runs,library}
  if [ ! -f "$PKI/$name.crt" ]; then
    certificate "$name" "/O=system:nodes/CN=system:node:$name" "" clientAuth
    certificate "$name-kubelet" "/CN=$name" "IP:$address,DNS:$name" serverAuth
  fi
  network_up "$i"
  for path in /sys/fs/cgroup/*/; do
    [ ! -f "${path}cgroup.procs" ] || mkdir -p "$path$cgroup"
  done
  for file in cpuset.cpus cpuset.mems; do cat /sys/fs/cgroup/cpuset/$file >"/sys/fs/cgroup/cpuset/$cgroup/$file"; done
  # restrict_oom_score_adj: root in a sandboxed machine may not lower it.
  cat >"$dir/containerd.toml" <<END
version = 2
root = "$dir/containerd"
state = "$dir/run/containerd"
[grpc]
  address = "$dir/run/c.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
END
  cat >"$dir/cni/10.conflist" <<END
{"cniVersion": "0.4.0", "name": "ptp", "plugins": [{"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local",
  "subnet": "$PODS.$i.0/24", "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "$dir/cni-ipam"}}]}
END
  cat >"$dir/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
address: 0.0.0.0
readOnlyPort: 10255
containerRuntimeEndpoint: unix://$dir/run/c.sock
tlsCertFile: $PKI/$name-kubelet.crt
tlsPrivateKeyFile: $PKI/$name-kubelet.key
podLogsDir: $dir/podlogs
staticPodPath: $dir/manifests
resolvConf: ""
syncFrequency: 5s
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
END
  # Each node has folders of its own where pods mount paths of "the host".
  cat >"$dir/run.sh" <<END
#!/bin/bash
mount --make-rprivate /; mount --make-rshared /
for d in /var/log/containers /run/netns /run/containerd /var/lib/cni; do mkdir -p \$d; mount -t tmpfs t \$d; done
mkdir -p /run/assay /var/lib/assay
mount --bind $dir/runs /run/assay
mount --bind $dir/library /var/lib/assay
containerd --config $dir/containerd.toml >$STATE/log/containerd$i.log 2>&1 &
for _ in \$(seq 6000); do ctr -a $dir/run/c.sock version >/dev/null 2>&1 && break; sleep 0.05; done
for image in $IMAGES; do ctr -a $dir/run/c.sock -n k8s.io images import \$image; done >$STATE/log/import$i.log 2>&1
$KUBE kube-proxy --kubeconfig=$PKI/proxy.kubeconfig --hostname-override=$name --proxy-mode=iptables \
  --cluster-cidr=$PODS.0.0/16 --conntrack-max-per-core=0 --conntrack-min=0 \
  --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0 >$STATE/log/proxy$i.log 2>&1 &
trap : TERM
$KUBE kubelet --config=$dir/kubelet.yaml --kubeconfig=$PKI/$name.kubeconfig --root-dir=$dir/kubelet \
  --hostname-override=$name --node-ip=$address --cert-dir=$dir/kubelet/pki >>$STATE/log/kubelet$i.log 2>&1
END
  chmod +x "$dir/run.sh"
  start "node$i" nsenter --net="/run/netns/$(netns_of "$i")" unshare -m -p -f --kill-child --mount-proc --propagation private "$dir/run.sh"
}

node_down() { # I: the PID namespace's first process dies, and with it kubelet, containerd, the shims and every pod
  local i=$1 path
  stop "node$i"
  for _ in $(seq 3000); do
    for path in /sys/fs/cgroup/*/"$(cgroup_of "$i")"; do
      [ ! -d "$path" ] || find "$path" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
    compgen -G "/sys/fs/cgroup/*/$(cgroup_of "$i")" >/dev/null || break
    sleep 0.1
  done
  ip netns del "$(netns_of "$i")" 2>/dev/null || true
  ip link del "$(veth_of "$i")" 2>/dev/null || true
}

nodes_ready() { kubectl get nodes --no-headers 2>/dev/null | grep -c ' Ready' || true; }

down() {
  local file name
  for file in "$STATE"/run/node*.pid; do
    [ -f "$file" ] || continue
    name=$(basename "$file" .pid)
    node_down "${name#node}"
  done
  # The API server would wait for an etcd that is gone.
  for name in scheduler controller-manager apiserver etcd; do stop "$name"; done
  ip link del "$BRIDGE" 2>/dev/null || true
}

case ${1:-} in
  up)
    mkdir -p "$STATE"/{log,run,etcd}
    [ -f "$PKI/ca.crt" ] || make_pki
    control_plane_up
    for i in $(seq "$2"); do node_up "$i"; done
    for _ in $(seq 1500); do
      [ "$(nodes_ready)" -lt "$2" ] || exit 0
      sleep 0.2
    done
    echo "not all of $2 nodes are Ready; see $STATE/log" >&2
    exit 1
    ;;
  node-start) node_up "$2" ;;
  node-stop) node_down "$2" ;;
  link)
    ip -n "$(netns_of "$2")" link set eth0 "$3"
    [ "$3" = down ] || routes_up "$2"
    ;;
  down) down ;;
  *)
    echo "usage: cluster.sh up NODES | node-start I | node-stop I | link I down|up | down" >&2
    exit 2
    ;;
esac
