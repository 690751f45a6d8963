# Sets ASSAY_NODE to the Node that the project brings along, or to the machine's own where that is new enough.
# Sourced with $root set to the checkout or package folder.
if [ -z "${ASSAY_NODE:-}" ]; then
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) platform=linux-x64 ;;
    Linux-aarch64 | Linux-arm64) platform=linux-arm64 ;;
    Darwin-x86_64) platform=darwin-x64 ;;
    *) platform=none ;;
  esac
  ASSAY_NODE="$root/node_modules/node-$platform/bin/node"
  # It is made for glibc: on other systems it is there and does not start.
  if ! [ -x "$ASSAY_NODE" ] || ! "$ASSAY_NODE" --version >/dev/null 2>&1; then
    ASSAY_NODE=$(command -v node || true)
    major=0
    [ -z "$ASSAY_NODE" ] || major=$("$ASSAY_NODE" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
    if [ "$major" -lt 24 ]; then
      why="run 'npm start' in $root, which installs it, or install Node.js 24"
      brought="$root/node_modules/node-$platform/bin/node"
      if [ -x "$brought" ]; then
        why="the one in $root does not start: $("$brought" --version 2>&1 | sed 's/.*: error while/error while/')"
        case "$why" in
          *libatomic*) why="$why (Debian: apt-get install libatomic1; Fedora: dnf install libatomic)" ;;
        esac
      fi
      echo "assay needs Node.js 24 or later: $why" >&2
      exit 1
    fi
  fi
fi
