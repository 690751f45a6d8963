#!/bin/sh
# systemd-boot.sh DIR CHECKOUT [unified]: becomes a systemd that knows the units of DIR/units alone, and the accounts of
# DIR/etc if there are any. In namespaces of its own (mount, PID, cgroup, network, UTS, IPC), which the caller has made; of
# the machine it can write to DIR and to no more. unified: it finds cgroup v2 alone, as a machine of today does.
set -eu
dir=$1 checkout=$2 hierarchy=${3-} root=$1/root
mkdir -p "$root"
mount --make-rprivate /
mount --bind / "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs tmpfs "$root/tmp"
for shown in "$checkout" "$dir"; do
  mkdir -p "$root$shown" || { echo "$shown is neither below /tmp nor on the file system of /" >&2; exit 1; }
  mount --bind "$shown" "$root$shown"
done
mount -o remount,bind,ro "$root$checkout"

for file in passwd group subuid subgid; do
  if [ -f "$dir/etc/$file" ]; then mount --bind "$dir/etc/$file" "$root/etc/$file"; fi
done

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/run"
# A user namespace may mount what its maker sees whole: /proc is not, for what is mounted on it.
mkdir "$root/run/dbus" "$root/run/whole"
chmod 700 "$root/run/whole"
mount -t proc proc "$root/run/whole"
mount -t tmpfs tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
chmod 1777 "$root/dev/shm"
minor=3
for node in null port zero - full random urandom; do
  case $node in null | zero | full | random | urandom) mknod -m 666 "$root/dev/$node" c 1 $minor ;; esac
  minor=$((minor + 1))
done
mknod -m 666 "$root/dev/tty" c 5 0
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
if [ -n "$hierarchy" ] || [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
  mkdir "$root/sys/fs/cgroup/systemd"
  mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
fi

cd "$root"
pivot_root . .
umount -l .
# A container, so that it leaves clock, kernel settings and modules alone.
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH="$dir/units" \
  SYSTEMD_GENERATOR_PATH=/nonexistent SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/nonexistent \
  /lib/systemd/systemd --system --unit=test.target --log-target=console --show-status=no
