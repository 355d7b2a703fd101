#!/bin/sh
# scripts.sh: every script is one for sh, and systemd takes the units of src/system.
cd "$(dirname "$0")/../../.." || exit 1
dir=$(mktemp -d "${TMPDIR:-/tmp}/sortie-scripts.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
bad=0
shell=$(command -v dash || echo sh)

for file in $(find src -name '*.sh') src/system/sortie.openrc src/system/sortie.freebsd src/system/sortie.netbsd \
	src/system/sortie.openbsd; do
	$shell -n "$file" || bad=1
done

# A unit's program must be there; the user, the manual and the rest of a system are not.
for file in src/system/*.service src/system/*.timer src/system/*.socket; do
	sed -e 's|@SBINDIR@/sortie|/bin/true|' -e 's|@FRONT@|/bin/true|' -e 's|@SPOOLDIR@|/var/spool|' \
		-e 's|@SORTIEUSER@|daemon|' -e '/^Documentation=/d' "$file" > "$dir/${file##*/}"
done
mkdir "$dir/sortie.service.d"
sed 's|@SORTIEUSER@|daemon|' src/system/sortie-local.conf > "$dir/sortie.service.d/local.conf"
if command -v systemd-analyze > /dev/null; then
	for unit in "$dir"/sortie*.*[a-z]; do
		[ -f "$unit" ] || continue
		said=$(systemd-analyze --man=no verify "$unit" 2>&1) && [ -z "$said" ] && continue
		echo "${unit##*/}: $said"
		bad=1
	done
fi
exit $bad
