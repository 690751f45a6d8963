#!/bin/sh
# systemd-boot.sh DIR CHECKOUT: becomes a systemd that knows the units of DIR/units alone. In namespaces of its own (mount,
# PID, cgroup, network, UTS, IPC), which the caller has made; of the machine it can write to DIR and to no more.
set -eu
dir=$1 checkout=$2 root=$1/root
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

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/run"
mkdir "$root/run/dbus"
mount -t tmpfs tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
minor=3
for node in null port zero - full random urandom; do
  case $node in null | zero | full | random | urandom) mknod -m 666 "$root/dev/$node" c 1 $minor ;; esac
  minor=$((minor + 1))
done
ln -s /proc/self/fd "$root/dev/fd"
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
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
