# The tables, from raw.tsv:
#
#	awk -f stats.awk -f report.awk workloads.txt goals.txt raw.tsv
#
# First an overview; then the goals, each with what was measured; then every workload with every program;
# then what failed. A ratio is one of medians; its spread is that of the ratios of the single repetitions, each
# of which ran the programs one after another.

nfile == 2 {
	goals[++ngoals] = $0
	next
}

END {
	print_overview()
	print_goals()
	for (i = 1; i <= nworkloads; i++)
		if (nprograms[workloads[i]] > 0)
			print_workload(workloads[i])
	print_failures()
}

# --- overview ---

# A line for each program of the first workload; memory is that of all its processes together.
function print_overview(    i, n, order)
{
	if ((n = fastest_first("a1k", order)) == 0)
		return
	print "OVERVIEW"
	print ""
	printf "  %-18s %9s %9s %9s %9s %9s %9s %9s\n", "", "one site", "", "", "1,000", "50 ms,", "",
	    "sub-"
	printf "  %-18s %9s %9s %9s %9s %9s %9s %9s\n", "medians", "msgs/s", "CPU ms", "MiB", "sites",
	    "20 conns", "TLS", "mission"
	for (i = 1; i <= n; i++)
		printf "  %-18s %9s %9s %9s %9s %9s %9s %9s\n", order[i], cell("a1k", order[i], "rate"),
		    cell("a1k", order[i], "cpu"), cell("a1k", order[i], "pss"),
		    cell("b1k", order[i], "rate"), cell("d50c20", order[i], "rate"),
		    cell("f", order[i], "rate"), cell("h1", order[i], "rate")
	print "\n"
}

# --- goals ---

function print_goals(    i, met, missed, unknown)
{
	print "GOALS"
	print ""
	printf "%-66s %10s %10s %8s %-9s %-15s\n", "", "sortie", "other", "ratio", "needed",
	    "spread"
	for (i = 1; i <= ngoals; i++)
		tally[print_goal(goals[i])]++
	printf "\n%d met, %d not met, %d not measured\n", tally["met"], tally["NOT MET"],
	    tally["not measured"]
}

# WORKLOAD PROGRAM METRIC COMPARE FACTOR WORKLOAD PROGRAM METRIC | text
function print_goal(line,    f, text, ours, x, other, factor, verdict, spread)
{
	split(line, f)
	text = line
	sub(/^[^|]*\|[ \t]*/, "", text)
	factor = fraction(f[5])
	if (summary(f[1], f[2], f[3]) == 0)
		return unmeasured(text, f)
	ours = med
	spread = number(low) "-" number(high)
	if (f[6] == "-") {
		verdict = holds(ours, f[4], factor)
		printf "%-66s %10s %10s %8s %-9s %-15s %s\n", text, number(ours), "", "",
		    f[4] " " f[5], spread, verdict
		return verdict
	}
	if (summary(f[6], f[7], f[8]) == 0)
		return unmeasured(text, f)
	other = med
	x = other > 0 ? ours / other : 0
	verdict = other > 0 ? holds(x, f[4], factor) : "not measured"
	printf "%-66s %10s %10s %8s %-9s %-15s %s\n", text, number(ours), number(other), number(x),
	    f[4] " " f[5], paired(f), verdict
	return verdict
}

function unmeasured(text, f)
{
	printf "%-66s %10s %10s %8s %-9s %-15s %s\n", text, "-", "", "", f[4] " " f[5], "",
	    "not measured"
	return "not measured"
}

function fraction(s,    f)
{
	return split(s, f, "/") == 2 ? f[1] / f[2] : s + 0
}

function holds(x, compare, factor)
{
	if (compare == ">=")
		return x >= factor ? "met" : "NOT MET"
	if (compare == "<")
		return x < factor ? "met" : "NOT MET"
	return x <= factor ? "met" : "NOT MET"
}

# The ratio of each repetition that both took part in: least and greatest.
function paired(f,    r, n, x, left, right)
{
	left = f[1] SUBSEP f[2] SUBSEP f[3]
	right = f[6] SUBSEP f[7] SUBSEP f[8]
	for (r = 1; r <= 99; r++)
		if (((left, r) in by_rep) && ((right, r) in by_rep) && by_rep[right, r] > 0)
			x[++n] = by_rep[left, r] / by_rep[right, r]
	return summarise(x, n) ? number(low) "-" number(high) : ""
}

# --- workloads ---

function print_workload(w,    i, n, p, order)
{
	printf "\n\n%s   %s\n\n", w, title[w]
	printf "  %-18s %9s %-15s %8s %8s %8s %8s %8s %6s %7s %5s\n", "", "msgs/s", "min-max",
	    "/Postfix", "/floor", "CPU ms", "RSS MiB", "PSS MiB", "procs", "conns", "runs"
	n = fastest_first(w, order)
	for (i = 1; i <= n; i++)
		print_program(w, order[i])
}

# Programs into order[1..n]; those without a figure last.
function fastest_first(w, order,    n, i, j, p, x, t)
{
	n = nprograms[w]
	for (i = 1; i <= n; i++) {
		p = programs[w, i]
		x[i] = summary(w, p, "rate") ? med : 0
		for (j = i; j > 1 && x[j - 1] < x[j]; j--) {
			t = x[j]
			x[j] = x[j - 1]
			x[j - 1] = t
			order[j] = order[j - 1]
		}
		order[j] = p
	}
	return n
}

function print_program(w, p,    rate, spread)
{
	if (nruns[w, p] + 0 == 0 && failed[w, p]) {
		printf "  %-18s %9s  %s\n", p, "-", reason[w, p]
		return
	}
	if (summary(w, p, "rate")) {
		rate = med
		spread = number(low) "-" number(high)
	}
	printf "  %-18s %9s %-15s %8s %8s %8s %8s %8s %6s %7s %5d%s\n", p,
	    rate ? number(rate) : "-", spread, ratio(w, rate, "postfix"), ratio(w, rate, "floor"),
	    cell(w, p, "cpu"), cell(w, p, "rss"), cell(w, p, "pss"), cell(w, p, "processes"),
	    cell(w, p, "connections"), nruns[w, p], remarks(w, p)
}

function ratio(w, rate, p)
{
	return rate && summary(w, p, "rate") && med > 0 ? number(rate / med) : "-"
}

function cell(w, p, metric)
{
	return summary(w, p, metric) && med > 0 ? number(med) : "-"
}

# What was counted besides, in the order of the keys' first appearance.
function remarks(w, p,    i, out, n)
{
	n = split("handshakes resumed rounds session_kib recipient_kib first_mail_ms settled_s " \
	    "calls syncs turns syncs_turn libssl kb", key)
	for (i = 1; i <= n; i++)
		if (summary(w, p, key[i]) && (med > 0 || key[i] == "libssl"))
			out = out "  " key[i] " " number(med)
	if (summary(w, p, "messages") && summary(w, programs[w, 1], "messages") && given(w, p))
		out = out "  of " number(given(w, p)) " messages"
	return out (failed[w, p] ? "  " failed[w, p] " failed" : "")
}

# How many messages a slow program got when it was fewer than the others'; otherwise 0.
function given(w, p,    i, most, own)
{
	for (i = 1; i <= nprograms[w]; i++)
		if (summary(w, programs[w, i], "messages") && med > most)
			most = med
	own = summary(w, p, "messages") ? med : 0
	return own < most ? own : 0
}

# --- what failed ---

function print_failures(    i)
{
	if (nfailures == 0)
		return
	print "\n\nFAILED\n"
	for (i = 1; i <= nfailures; i++)
		print "  " failures[i]
}
