#!/bin/sh
# Postfix's smtp-sink, which can be told to lack or refuse almost anything.
. "$(dirname "$0")/lib.sh"
need smtp-sink

adds_empty_line=yes
as=
[ "$(id -u)" -ne 0 ] || as="-u nobody"
# shellcheck disable=SC2046
set -- $(free_ports 1)
port=$1
scheme=smtp

sink() { # option...
	rm -rf "$dir/store"
	mkdir "$dir/store"
	chmod 777 "$dir/store"
	# shellcheck disable=SC2086
	start sink smtp-sink $as -d "$dir/store/m." "$@" "127.0.0.1:$port" 100
	wait_port "$port"
}

sink_end() {
	stop "$last"
}

# All is taken in one run.
takes_all() { # option...
	forget
	configure "relay $scheme://[127.0.0.1]:$port"
	sink "$@"
	queue_all there.example
	deliver 1
	sink_end
	arrived "$dir"/store/*
	all_arrived
	done_with="$done_with [$*]"
}

# All waits; a server without the quirk then takes it. Nothing is bounced.
defers_all() { # option...
	forget
	configure "relay $scheme://[127.0.0.1]:$port" "timeout greeting 1s" "timeout rcpt 1s" \
		"timeout dot 1s" "timeout mail 1s"
	sink "$@"
	queue_all there.example
	all=$(waiting)
	run_queue
	[ "$(waiting)" -eq "$all" ] || fail "$*: $(waiting) of $all messages wait"
	! grep -q 'status=\(sent\|bounced\|expired\)' "$dir/log" || fail "$*: something was sent or bounced"
	sink_end
	: > "$dir/log"
	sink
	deliver 3
	sink_end
	arrived "$dir"/store/*
	all_arrived
	done_with="$done_with [$*]"
}

# All comes back: nothing but the reports is left.
bounces_all() { # option...
	forget
	configure "relay $scheme://[127.0.0.1]:$port"
	sink -B "550 5.7.1 not here" "$@"
	queue_all there.example
	run_queue
	[ "$(grep -c 'status=bounced' "$dir/log")" -ge "$(wc -l < "$dir/expected")" ] ||
		fail "$*: not everything was bounced"
	! grep -q 'status=sent' "$dir/log" || fail "$*: something was sent"
	sink_end
	done_with="$done_with [$*]"
}

done_with=
for quirk in '' -8 -e -E -p -P -N -a '-8 -e' '-E -p' '-w 1 -p' '-H 1' '-m 1' '-T 1000'; do
	# shellcheck disable=SC2086
	takes_all $quirk
done
for quirk in '-q connect' '-q helo,ehlo' '-q mail' '-q rcpt' '-q data' '-q .' \
	'-Q connect' '-Q ehlo' '-Q mail' '-Q rcpt' '-Q data' '-Q .' \
	'-r connect' '-r ehlo' '-r mail' '-r rcpt' '-r data' '-r .' \
	'-f connect' '-f ehlo,helo' '-f mail' '-q ehlo' '-W rcpt:3'; do # 500 to MAIL is no judgement
	# shellcheck disable=SC2086
	defers_all $quirk
done
for quirk in '-f mail' '-f rcpt' '-f data' '-f .'; do
	# shellcheck disable=SC2086
	bounces_all $quirk
done
scheme=lmtp
for quirk in -L '-L -p' '-L -8'; do
	# shellcheck disable=SC2086
	takes_all $quirk
done
ok "as configured with$done_with"
