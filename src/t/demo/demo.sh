#!/bin/sh
# The main job, shown: real mail leaves a real spool over real sockets, to servers of this script's
# own on 127.0.0.2 to 127.0.0.5. Usage: demo.sh SORTIE WORLD (the two programs).
set -eu

sortie=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
world=$2
dir=$(mktemp -d "${TMPDIR:-/tmp}/sortie-demo.XXXXXX")
mkdir "$dir/mail"
trap 'kill $pid 2>/dev/null || true; rm -rf "$dir"' EXIT

say() {
	printf '\n\033[1m%s\033[0m\n' "$*"
}
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

run() {
	printf '$ %s\n' "$*"
	sh -c "$*"
}

"$world" "$dir/mail" &
pid=$!
tries=0
until [ -s "$dir/mail/ports" ]; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || { echo "demo: the servers did not start" >&2; exit 1; }
	sleep 0.1
done
read -r dns port < "$dir/mail/ports"

cat > "$dir/sortie.conf" <<END
spool $dir/spool
hostname here.example
nameserver 127.0.0.1:$dns
port $port
refuse none
retry 2s 4s
log $dir/log
END
PATH="$dir:$PATH"
printf '#!/bin/sh\nexec %s -C %s/sortie.conf "$@"\n' "$sortie" "$dir" > "$dir/sendmail"
chmod +x "$dir/sendmail"

say "Four domains, a mail server each; a fifth takes no mail. The configuration:"
cat "$dir/sortie.conf"

say "One message for people in three domains, one for nobody, one for the domain without mail:"
run "printf 'Subject: lunch\n\nAt noon?\n' | sendmail -odq -f me@home.example \
ann@friendly.example bob@careful.example eve@strict.example"
run "printf 'Subject: hello?\n\nAnybody there?\n' | sendmail -odq -f me@home.example \
nobody@strict.example"
run "printf 'Subject: void\n\n...\n' | sendmail -odq -f me@home.example x@nomail.example"
run "sendmail -bp"

say "A queue run. What it says to mx.friendly.example (sendmail -v -q shows all conversations):"
sendmail -v -q 2> "$dir/trace"
sed -n '/mx\.friendly\.example/p' "$dir/trace"

say "The log, one line a recipient:"
grep 'status=' "$dir/log" | cut -d' ' -f6-

say "careful.example greylists, so one recipient waits:"
run "sendmail -bp"

say "Three seconds later, the second run:"
sleep 3
sendmail -q
grep 'status=sent' "$dir/log" | grep bob@ | cut -d' ' -f6-
run "sendmail -bp"

say "What ann got:"
cat "$dir/mail/friendly.example.1"

say "And the report that the sender got about nobody@strict.example:"
report=$(grep -l 'nobody@strict.example' "$dir"/mail/home.example.* | head -n 1)
cat "$report"

# the demo is a test as well: everything must be where it belongs
for want in friendly.example.1 careful.example.1 strict.example.1 home.example.1 home.example.2; do
	[ -s "$dir/mail/$want" ] || { echo "demo: $want is missing" >&2; exit 1; }
done
[ -z "$(ls "$dir/spool/ctl")" ] || { echo "demo: the spool is not empty" >&2; exit 1; }
say "Delivered: 3 recipients in 3 domains, 2 reports. The spool is empty."
