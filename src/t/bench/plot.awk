# One plot as SVG, from raw.tsv:
#
#	awk -f stats.awk -f plot.awk -v plot=NAME workloads.txt plots.txt raw.tsv
#
# A panel for each workload, a bar for each program: its median, and a whisker from the least to the
# greatest. One axis for all panels, from 0, or logarithmic where the bars differ too much for that.
# Nothing is written when nothing of it was measured.

nfile == 2 {
	split($0, f, /[ \t]*\|[ \t]*/)
	if (f[1] == plot) {
		heading = f[2]
		metric = f[3]
		unit = f[4]
		npanels = split(f[5], panels, /[ \t]+/)
	}
	next
}

END {
	LEFT = 150
	WIDE = 430
	ROW = 22
	for (i = 1; i <= npanels; i++)
		collect(panels[i])
	if (nbars == 0)
		exit
	choose_scale()
	start_svg()
	draw_axis()
	for (i = 1; i <= nrows; i++)
		draw_row(i)
	print "</svg>"
}

# The rows of a panel: its title, then its bars, longest first.
function collect(w,    i, j, n, p, bar)
{
	for (i = 1; i <= nprograms[w]; i++) {
		p = programs[w, i]
		if (!summary(w, p, metric) || med <= 0)
			continue
		for (j = ++n; j > 1 && middle[w, bar[j - 1]] < med; j--)
			bar[j] = bar[j - 1]
		bar[j] = p
		middle[w, p] = med
		least[w, p] = low
		greatest[w, p] = high
		min = nbars++ == 0 || med < min ? med : min
		max = high > max ? high : max
	}
	if (n == 0)
		return
	row_title[++nrows] = title[w]
	for (i = 1; i <= n; i++) {
		row_program[++nrows] = bar[i]
		row_workload[nrows] = w
	}
}

function choose_scale()
{
	logarithmic = max > 20 * min
	for (bottom = 1; logarithmic && bottom > min; )
		bottom /= 10
	while (logarithmic && bottom * 10 <= min)
		bottom *= 10
	step = tick_step(max)
}

# 1, 2 or 5 times a power of ten: about five of them up to x.
function tick_step(x,    s)
{
	for (s = 1; s > x / 5; )
		s /= 10
	while (s * 10 <= x / 5)
		s *= 10
	return s * 5 <= x / 4 ? s * 5 : s * 2 <= x / 4 ? s * 2 : s
}

# Where on the page a value lies.
function place(x)
{
	if (logarithmic)
		return x <= bottom ? LEFT : LEFT + WIDE * log(x / bottom) / log(max / bottom)
	return LEFT + WIDE * x / max
}

function start_svg(    width)
{
	height = 60 + nrows * ROW + 24
	width = LEFT + WIDE + 170
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" " \
	    "viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", width, height, width,
	    height, escape(heading)
	print "<style>"
	print "\tsvg { background: #ffffff; font: 13px sans-serif; }"
	print "\ttext { fill: #1f2328; }"
	print "\t.title { font-size: 16px; font-weight: bold; }"
	print "\t.panel { font-weight: bold; paint-order: stroke; stroke: #ffffff; stroke-width: 5px; }"
	print "\t.faint { fill: #656d76; font-size: 12px; }"
	print "\t.grid { stroke: #d0d7de; }"
	print "\t.bar { fill: #8c959f; }"
	print "\t.sortie { fill: #0969da; }"
	print "\t.floor { fill: none; stroke: #656d76; stroke-dasharray: 3 2; }"
	print "\t.whisker { stroke: #1f2328; fill: none; }"
	print "\t@media (prefers-color-scheme: dark) {"
	print "\t\tsvg { background: #0d1117; }"
	print "\t\ttext { fill: #e6edf3; }"
	print "\t\t.panel { stroke: #0d1117; }"
	print "\t\t.faint { fill: #8d96a0; }"
	print "\t\t.grid { stroke: #30363d; }"
	print "\t\t.bar { fill: #6e7681; }"
	print "\t\t.sortie { fill: #4493f8; }"
	print "\t\t.floor { stroke: #8d96a0; }"
	print "\t\t.whisker { stroke: #e6edf3; }"
	print "\t}"
	print "</style>"
	printf "<text class=\"title\" x=\"12\" y=\"24\">%s</text>\n", escape(heading)
	printf "<text class=\"faint\" x=\"12\" y=\"43\">%s%s; medians, least to greatest%s</text>\n",
	    escape(unit), logarithmic ? ", logarithmic" : "",
	    metric == "rate" ? "; behind them: times Postfix" : "; less is better"
}

function draw_axis(    x)
{
	if (logarithmic)
		for (x = bottom; x <= max * 1.0001; x *= 10)
			draw_tick(x)
	else
		for (x = 0; x <= max * 1.0001; x += step)
			draw_tick(x)
}

function draw_tick(x,    at)
{
	at = place(x)
	printf "<path class=\"grid\" d=\"M%.1f 52V%d\"/>\n", at, height - 22
	printf "<text class=\"faint\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", at,
	    height - 8, x < 1 ? x : number(x)
}

function draw_row(i,    y, p, w, from, to)
{
	y = 52 + (i - 1) * ROW
	if (i in row_title) {
		printf "<text class=\"panel\" x=\"12\" y=\"%d\">%s</text>\n", y + 16,
		    escape(row_title[i])
		return
	}
	p = row_program[i]
	w = row_workload[i]
	printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", LEFT - 8, y + 15,
	    escape(p)
	printf "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n", kind(p),
	    LEFT, y + 4, place(middle[w, p]) - LEFT, ROW - 8
	from = place(least[w, p])
	to = place(greatest[w, p])
	if (to - from > 1)
		printf "<path class=\"whisker\" d=\"M%.1f %dH%.1fM%.1f %dv6M%.1f %dv6\"/>\n", from,
		    y + 11, to, from, y + 8, to, y + 8
	printf "<text x=\"%.1f\" y=\"%d\">%s%s</text>\n", to + 8, y + 15, number(middle[w, p]),
	    against_postfix(w, p)
}

function against_postfix(w, p)
{
	if (metric != "rate" || p == "postfix" || !((w, "postfix") in middle))
		return ""
	return " <tspan class=\"faint\">&#215; " number(middle[w, p] / middle[w, "postfix"]) "</tspan>"
}

function kind(p)
{
	return p ~ /^floor/ ? "floor" : p == "sortie" ? "sortie" : "bar"
}

function escape(s)
{
	gsub(/&/, "\\&amp;", s)
	gsub(/</, "\\&lt;", s)
	return s
}
