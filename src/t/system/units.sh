#!/bin/sh
# units.sh BUILD: systemd itself, as the first process of a container, starts what src/system has for it, and mail
# goes through each. The system is this one, below an overlay that is thrown away, so it has to have systemd.
# Wants root and Linux, and programs built for PREFIX=/usr in BUILD/usr. Ten seconds, of which it waits most.
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../../.." && pwd)
build=$(cd "$1/usr" && pwd) || exit 1
sink=$(cd "$1" && pwd)/sink

skip() {
	echo "units: skipped: $*"
	exit 0
}

[ "$(uname)" = Linux ] && [ "$(id -u)" = 0 ] || skip 'needs root and Linux'
init=
for file in /usr/lib/systemd/systemd /lib/systemd/systemd; do
	[ -x $file ] && init=$file
done
[ -n "$init" ] || skip 'needs systemd'
for command in unshare python3 useradd ip; do
	command -v $command > /dev/null || skip "needs $command"
done
grep -q overlay /proc/filesystems || skip 'needs overlay file systems'
dir=$(mktemp -d "${TMPDIR:-/tmp}/sortie-units.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/over" "$dir/out"

# In a mount namespace of its own, with nothing but loopback for a network.
cat > "$dir/boot" << 'END'
set -e
mount -t tmpfs none "$dir/over"
mkdir "$dir/over/up" "$dir/over/work" "$dir/over/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/over/up,workdir=$dir/over/work" "$dir/over/root"
cd "$dir/over/root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs none run
mount -t tmpfs none tmp
rm -rf etc/systemd/system/* var/spool/sortie etc/sortie usr/share/sortie
mkdir sortie-units sortie-units/out
cp -r "$source/src" "$build/sortie" "$build/sendmail" "$build/sortiectl" "$sink" sortie-units
mount --bind "$dir/out" sortie-units/out
cp "$here/units_inside.sh" sortie-units/inside.sh
cat > etc/systemd/system/inside.service << 'UNIT'
[Unit]
DefaultDependencies=no
Requires=systemd-journald.service
After=systemd-journald.service
[Service]
Type=oneshot
ExecStart=/bin/sh /sortie-units/inside.sh
StandardOutput=append:/sortie-units/out/said
StandardError=append:/sortie-units/out/said
ExecStopPost=/bin/systemctl --force --force poweroff
UNIT
container=lxc
export container
exec chroot . "$init" --system --unit=inside.service --log-target=console --show-status=no
END
export here source build sink dir init
timeout -k 5 120 unshare --kill-child --mount --pid --fork --ipc --uts --net --propagation private sh "$dir/boot" \
	> "$dir/out/boot" 2>&1
[ -f "$dir/out/said" ] || { [ -f "$dir/out/began" ] || skip "systemd does not start here: $(tail -n 1 "$dir/out/boot")"; }
grep '^units: ' "$dir/out/said"
grep -q '^units: all is well$' "$dir/out/said" && exit 0
echo 'units: FAILED'
cat "$dir/out/said"
exit 1
