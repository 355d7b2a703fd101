#!/bin/sh
# examples.sh BUILD: the examples of the manuals, as they stand there, with the programs as built. A line
# .\" example: KIND before the example says what is done with it:
#
#	shell	it is run by sh -e, in a folder that has a file `message`, with a queue that has two messages; mail
#		goes to a server that takes everything, and in the end all of it must have gone
#	config	it is read as sortie.conf
#	auth	it is read as the credentials
#	aliases	it is read as these
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../../.." || exit 1
dir=$(mktemp -d "${TMPDIR:-/tmp}/sortie-manual.XXXXXX") || exit 1
sink=
trap '[ -z "$sink" ] || kill $sink; rm -rf "$dir"' EXIT
bad=0

# Each example of a manual, in a file of its own: NUMBER.KIND
cut_out() { # manual
	awk -v dir="$dir/examples" '
		/^\.\\" example: / { kind = $3; n++; line = FNR + 2; next }
		kind != "" && /^\.Bd / { on = 1; next }
		/^\.Ed/ { kind = ""; on = 0 }
		on {
			gsub(/\\&/, "")
			gsub(/\\e/, "\\")
			print > (dir "/" line "." kind)
		}' "$1"
}

programs() { # as administrators call them, for that configuration
	mkdir "$dir/bin"
	while read -r name program option; do
		printf '#!/bin/sh\nexec "%s" -C "$CONF" %s "$@"\n' "$build/$program" "$option" > "$dir/bin/$name"
		chmod +x "$dir/bin/$name"
	done << END
sendmail sendmail
sortie sortie
sortiectl sortiectl
mailq sendmail -bp
newaliases sendmail -bi
hoststat sortie -bh
purgestat sortie -bH
END
}

begin() { # a folder with a queue of its own: what the last example left to children is none of ours
	mkdir "$dir/$1"
	CONF=$dir/$1/conf
	export CONF
	printf '%s\n' "spool $dir/$1/spool" "log $dir/$1/log" 'hosts none' 'hostname out.example.org' \
		"relay smtp://[127.0.0.1]:$port" > "$CONF"
	printf '%s\n' 'From: cron@example.org' 'To: ann@example.net, bob@example.com' 'Subject: hello' '' hello \
		> "$dir/$1/message"
	for sender in cron@example.org carl@example.org; do
		sendmail -odq -f $sender ann@example.net bob@example.com < "$dir/$1/message"
	done
}

# Children may be delivering; what they leave is ours to deliver. Half a minute at most.
all_has_gone() {
	i=0
	until sortie -q && mailq | grep -q '^Mail queue is empty$'; do
		i=$((i + 1))
		[ $i -lt 30 ] || return 1
		sleep 1
	done
}

run_shell() { # example name
	begin "$2"
	(cd "$dir/$2" && PATH="$dir/bin:$PATH" sh -e "$1") > "$dir/out" 2>&1 && all_has_gone
}

run_config() { # example name
	mkdir "$dir/$2"
	{ cat "$1" && echo "spool $dir/$2/spool"; } > "$dir/$2/conf"
	CONF=$dir/$2/conf mailq > "$dir/out" 2>&1
}

run_auth() { # example name
	mkdir "$dir/$2"
	printf '%s\n' "spool $dir/$2/spool" "auth $dir/$2/auth" 'log stderr' 'relay smtp://[127.0.0.1]:1' \
		> "$dir/$2/conf"
	(umask 077 && cat "$1" > "$dir/$2/auth")
	CONF=$dir/$2/conf sortie -bv ann@example.net > "$dir/out" 2>&1
}

run_aliases() { # example name
	mkdir "$dir/$2"
	cp "$1" "$dir/$2/aliases"
	printf '%s\n' "spool $dir/$2/spool" "aliases $dir/$2/aliases" > "$dir/$2/conf"
	CONF=$dir/$2/conf newaliases > "$dir/out" 2>&1
}

programs
PATH=$dir/bin:$PATH
"$build/sink" --port-file "$dir/port" > "$dir/sink" 2>&1 &
sink=$!
until [ -s "$dir/port" ]; do
	kill -0 $sink || exit 1
done
port=$(cat "$dir/port")
total=0
for manual in src/man/*.[158]; do
	rm -rf "$dir/examples"
	mkdir "$dir/examples"
	cut_out "$manual"
	for example in "$dir"/examples/*; do
		[ -f "$example" ] || continue
		line=${example##*/}
		kind=${line##*.}
		line=${line%.*}
		total=$((total + 1))
		case $kind in
		shell | config | auth | aliases)
			"run_$kind" "$example" "${manual##*/}-$line" && continue ;;
		*)
			echo "no such kind of example: $kind" > "$dir/out" ;;
		esac
		echo "manual: FAILED: $manual:$line"
		sed 's/^/	/' "$example" "$dir/out"
		bad=1
	done
done
[ $total -ge 15 ] || { echo "manual: only $total examples were found"; bad=1; }
[ $bad = 1 ] || echo "manual: all $total examples do what they say"
exit $bad
