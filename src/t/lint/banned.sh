#!/bin/sh
# banned.sh source...: calls that must not be there. Each line of the table: the files that may make it
# (an awk pattern), and the functions.
awk '
BEGIN {
	never = "strcpy strcat sprintf vsprintf gets atoi atol strtok alloca system popen " \
		"getaddrinfo gethostbyname gethostbyaddr getnameinfo setlocale res_init res_query " \
		"res_search waitpid wait tmpnam mktemp"
	some["src/(submit|aliases|sortie|smtpd|privilege|deliver|front)[a-z_]*\\.c|src/ctl/(ctl_import|import_queue|ctl_check_install)\\.c|src/local/.*|src/t/(whole|fault)/.*"] = "getpwnam getpwuid getpwent"
	some["src/(background|front|auth_command|helper|keeper)\\.c|src/ctl/(ctl_check_network|ctl_stats)\\.c|src/local/.*|src/t/.*"] = "fork"
	# In a child, whose time is bounded: what the system makes of our name is the question.
	some["src/ctl/ctl_check_network\\.c"] = "getaddrinfo getnameinfo"
	split(never, w, " ")
	for (i in w)
		ban[w[i]] = "^$"
	for (where in some) {
		split(some[where], w, " ")
		for (i in w)
			ban[w[i]] = "^(" where ")$"
	}
	# A test that waits is a test that fails on a slow machine. The kill test is about moments,
	# whole.c waits for other programs to start, measure.c for them to end.
	split("sleep usleep", w, " ")
	for (i in w)
		ban[w[i]] = "^$"
	ban["nanosleep"] = "^src/t/(kill/|lib/whole\\.c|bench/measure\\.c)"
	# Tests may wait for the processes they made; auth_command.c, helper.c and smtpd.c only ask (WNOHANG);
	# children of the local helper have ended by then.
	ban["waitpid"] = "^src/(t/.*|auth_command\\.c|front\\.c|helper\\.c|keeper\\.c|smtpd\\.c|ctl/ctl_check_network\\.c|ctl/ctl_stats\\.c|local/serve\\.c)"
	ban["wait"] = "^src/t/.*"
}

FNR == 1 { in_comment = 0 }
{
	line = $0
	# strings and comments are not calls
	gsub(/\\\\|\\"/, "", line)
	gsub(/"[^"]*"/, "\"\"", line)
	if (in_comment) {
		if (!sub(/^.*\*\//, "", line))
			next
		in_comment = 0
	}
	while (sub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ", line))
		;
	sub(/\/\/.*/, "", line)
	if (sub(/\/\*.*/, "", line))
		in_comment = 1
	while (match(line, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
		name = substr(line, RSTART, RLENGTH - 1)
		sub(/[ \t]+$/, "", name)
		before = RSTART > 1 ? substr(line, RSTART - 1, 1) : ""
		line = substr(line, RSTART + RLENGTH)
		if (name in ban && before != "." && before != ">" && FILENAME !~ ban[name]) {
			printf "%s:%d: %s() is banned here\n", FILENAME, FNR, name
			bad = 1
		}
	}
}

END { exit bad }
' "$@"
