#!/bin/sh
# bs(1) says what it should to a server that keeps what it hears, and knows when it is refused.
#
#	bs_test.sh BS
set -u
bs=$1
tmp=$(mktemp -d "${TMPDIR:-/tmp}/sortie-bs.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0

complain() {
	echo "bs: $*" >&2
	failed=1
}

# server.sh FEATURE REPLY: REPLY is what RCPT gets.
cat > "$tmp/server.sh" << 'END'
data=no
echo '220 ready'
while IFS= read -r line; do
	printf '%s\n' "$line" >> "$HEARD"
	case $data$line in
	yes.*) data=no; echo '250 taken' ;;
	yes*) ;;
	noEHLO*) printf '250-here\r\n250 %s\r\n' "$1" ;;
	noRCPT*) echo "$2" ;;
	noDATA*) data=yes; echo '354 go on' ;;
	noQUIT*) echo '221 bye'; exit 0 ;;
	*) echo '250 fine' ;;
	esac
done
exit 1
END
printf 'Subject: x\n\ntext\n' > "$tmp/message"

heard() { # what, how often
	[ "$(tr -d '\r' < "$HEARD" | grep -c -x -e "$1")" = "$2" ] || complain "$feature: not $2 times $1"
}

HEARD=$tmp/heard
export HEARD
for feature in PIPELINING SIZE; do
	: > "$HEARD"
	"$bs" 3 "$tmp/message" sh "$tmp/server.sh" $feature '250 fine' || complain "$feature: ended with $?"
	heard 'MAIL FROM:<a@bench.example>' 3
	heard 'RCPT TO:<r0@bench.example>' 3
	heard text 3
	heard '\.' 3
	heard QUIT 1
	[ "$(grep -c -v "$(printf '\r')\$" "$HEARD")" = 0 ] || complain "$feature: a line does not end with CRLF"
done

"$bs" 3 "$tmp/message" sh "$tmp/server.sh" SIZE '550 nobody' 2> "$tmp/why" && complain 'a recipient was refused'
grep -q '550 nobody' "$tmp/why" || complain 'it does not say what the server said'
"$bs" 3 "$tmp/message" sh -c 'exit 69' 2> /dev/null
[ $? = 69 ] || complain 'a command that does not do this'
"$bs" 3 "$tmp/message" sh -c 'echo 220 ready; read -r line' 2> /dev/null && complain 'it ended in the middle'
exit $failed
