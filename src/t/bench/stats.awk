# What report.awk and plot.awk share: reads workloads.txt, the first file, and raw.tsv, the third, and
# answers for medians. The second is theirs.
#
# raw.tsv has a line for each run: workload, program, repetition, messages, wall s, user s, sys s,
# largest process KiB, peak PSS KiB, processes, connections, handshakes, extra (k=v;k=v), with tabs
# between. A run that failed has 0 messages and failed=WHY.
#
# Metrics: rate (messages/s), wall (s), cpu (ms a message), rss and pss (MiB), processes, connections,
# handshakes, rounds (round trips a message and connection, from the first MAIL on), and every k of the extra column.

FILENAME != last_file {
	last_file = FILENAME
	nfile++
}

/^#/ || /^[ \t]*$/ {
	next
}

nfile == 1 {
	read_workload($0)
	next
}

nfile == 3 {
	read_run($0)
	next
}

# workloads.txt: see there.
function read_workload(line,    f, w, i)
{
	split(line, f, /[ \t]*\|[ \t]*/)
	w = f[1]
	sub(/^[ \t]+/, "", w)
	workloads[++nworkloads] = w
	latency[w] = f[8] + 0
	title[w] = f[14]
}

function read_run(line,    f, n, i, k, e, busy)
{
	split(line, f, "\t")
	if (!((f[1], f[2]) in seen)) {
		seen[f[1], f[2]] = 1
		programs[f[1], ++nprograms[f[1]]] = f[2]
	}
	if (f[13] ~ /(^|;)failed=/) {
		k = f[13]
		sub(/.*failed=/, "", k)
		failures[++nfailures] = f[1] " " f[2] ": " k
		failed[f[1], f[2]]++
		reason[f[1], f[2]] = k
		return
	}
	busy = f[5]
	n = split(f[13], e, ";")
	for (i = 1; i <= n; i++) {
		if ((k = index(e[i], "=")) > 0)
			add(f, substr(e[i], 1, k - 1), substr(e[i], k + 1))
		if (e[i] ~ /^first_mail_ms=/)
			busy -= substr(e[i], k + 1) / 1000
	}
	# A look from outside, which was not timed.
	if (f[3] == "once")
		return
	nruns[f[1], f[2]]++
	add(f, "messages", f[4])
	add(f, "wall", f[5])
	if (f[5] > 0 && f[4] > 0)
		add(f, "rate", f[4] / f[5])
	if (f[4] > 0)
		add(f, "cpu", (f[6] + f[7]) * 1000 / f[4])
	add(f, "rss", f[8] / 1024)
	add(f, "pss", f[9] / 1024)
	add(f, "processes", f[10])
	add(f, "connections", f[11])
	add(f, "handshakes", f[12])
	if (latency[f[1]] > 0 && f[4] > 0)
		add(f, "rounds", busy * f[11] * 1000 / (latency[f[1]] * f[4]))
}

function add(f, metric, x,    key)
{
	key = f[1] SUBSEP f[2] SUBSEP metric
	value[key, ++count[key]] = x + 0
	by_rep[key, f[3]] = x + 0
}

# Sorts x[1..n] where it stands; n is a handful.
function sort_numbers(x, n,    i, j, t)
{
	for (i = 2; i <= n; i++) {
		t = x[i]
		for (j = i; j > 1 && x[j - 1] > t; j--)
			x[j] = x[j - 1]
		x[j] = t
	}
}

# Sets med, low and high; returns how many values there are.
function summary(w, p, metric,    key, n, i, x)
{
	key = w SUBSEP p SUBSEP metric
	n = count[key] + 0
	for (i = 1; i <= n; i++)
		x[i] = value[key, i]
	return summarise(x, n)
}

function summarise(x, n)
{
	if (n == 0)
		return 0
	sort_numbers(x, n)
	low = x[1]
	high = x[n]
	med = n % 2 ? x[(n + 1) / 2] : (x[n / 2] + x[n / 2 + 1]) / 2
	return n
}

# Three digits that count, and commas between thousands.
function number(x,    s, i, out)
{
	if (x < 0)
		return "-" number(-x)
	if (x < 0.9995 && x > 0)
		return sprintf(x < 0.00995 ? "%.4f" : "%.3f", x)
	if (x < 9.995)
		return x == int(x) ? x "" : sprintf("%.2f", x)
	if (x < 99.95)
		return x == int(x) ? x "" : sprintf("%.1f", x)
	s = sprintf("%.0f", x)
	for (out = ""; length(s) > 3; s = substr(s, 1, length(s) - 3))
		out = "," substr(s, length(s) - 2) out
	return s out
}
