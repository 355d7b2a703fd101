/* ctl_term.c: what a terminal can show, tables that fit it. */
#include "ctl/ctl_term.h"

#include <sys/ioctl.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "view.h"

enum { NARROWEST = 20, WIDEST = 1000, USUAL = 110, LINE_MAX_BYTES = 1 << 20 };

/* --- the terminal ------------------------------------------------------------------------- */

/* What the character set is, as POSIX has it: the first of these that is not empty. */
static bool
is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value != NULL && value[0] != '\0')
			return str_has_i(value, "utf-8") || str_has_i(value, "utf8");
	}
	return false;
}

static unsigned
columns_of(int fd)
{
	const char *said = getenv("COLUMNS");
	struct winsize size;
	uint64_t n = 80;

	if (said != NULL && str_u64(said, WIDEST, &n))
		;
	else if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		n = size.ws_col;
	return n < NARROWEST ? NARROWEST : n > WIDEST ? WIDEST : (unsigned)n;
}

/* NO_COLOR (no-color.org): present and not empty. */
void
term_init(struct ctl *c)
{
	const char *none = getenv("NO_COLOR"), *kind = getenv("TERM");
	int fd = fileno(c->out);

	c->tty = isatty(fd) == 1;
	c->progress = isatty(STDERR_FILENO) == 1;
	c->width = c->tty ? columns_of(fd) : 0;
	c->colours = c->tty && (none == NULL || none[0] == '\0') && kind != NULL &&
		     strcmp(kind, "dumb") != 0;
	c->utf8 = !c->tty || is_utf8();
}

const char *
term_begin(const struct ctl *c, enum term_colour colour)
{
	static const char *const sequence[] = {
	    "", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m"};

	return c->colours ? sequence[colour] : "";
}

const char *
term_end(const struct ctl *c, enum term_colour colour)
{
	return c->colours && colour != TERM_PLAIN ? "\033[0m" : "";
}

/* --- text --------------------------------------------------------------------------------- */

/*
 * How many columns a printable character takes: two for East Asia's and for pictures, else one. What combines
 * with the one before it takes none and counts as one: no line becomes too long by that.
 */
static unsigned
columns_of_char(uint32_t cp)
{
	static const uint32_t wide[][2] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xa960, 0xa97f},
	    {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe10, 0xfe6f}, {0xff00, 0xff60},
	    {0xffe0, 0xffe6}, {0x16fe0, 0x1b2ff}, {0x1f000, 0x1faff}, {0x20000, 0x3fffd}};

	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		if (cp >= wide[i][0] && cp <= wide[i][1])
			return 2;
	return 1;
}

/* The next character as it may be shown: its length there, in `shown` (at most 4 bytes) and columns. */
static size_t
next_char(const struct ctl *c, const char *text, size_t left, char shown[5], unsigned *columns)
{
	uint32_t cp;
	size_t n = str_char(text, left, &cp);

	*columns = 1;
	if (n == 0 || !str_printable(cp) || (cp >= 0x80 && !c->utf8)) {
		str_copy(shown, 5, "?");
		return n == 0 ? 1 : n;
	}
	memcpy(shown, text, n);
	shown[n] = '\0';
	*columns = columns_of_char(cp);
	return n;
}

/* How many columns of the text fit into so many. *cut: not all of it. */
static size_t
measure(const struct ctl *c, const char *text, size_t columns, bool *cut)
{
	size_t left = strlen(text), used = 0, n;
	char shown[5];
	unsigned wide;

	for (; left > 0; text += n, left -= n) {
		n = next_char(c, text, left, shown, &wide);
		if (used + wide > columns)
			break;
		used += wide;
	}
	*cut = left > 0;
	return used;
}

size_t
term_clean(const struct ctl *c, struct buf *out, const char *text, size_t columns)
{
	size_t left = strlen(text), used = 0, n, end;
	char shown[5];
	unsigned wide;
	bool cut;

	end = measure(c, text, columns == 0 ? SIZE_MAX : columns, &cut);
	if (cut)
		end = measure(c, text, columns - 1, &cut);
	for (; used < end; used += wide, text += n, left -= n) {
		n = next_char(c, text, left, shown, &wide);
		buf_adds(out, shown);
	}
	if (!cut)
		return used;
	buf_adds(out, c->utf8 ? "\xe2\x80\xa6" : "~"); /* U+2026 */
	return used + 1;
}

void
term_print(const struct ctl *c, const char *text)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	term_clean(c, &line, text, 0);
	fwrite(buf_data(&line), 1, buf_len(&line), c->out);
	buf_free(&line);
}

/* How many bytes of the text make a line of so many columns: up to a blank, where there is one. */
static size_t
line_length(const struct ctl *c, const char *text, size_t columns)
{
	size_t len = strlen(text), used = 0, blank = 0, n;
	char shown[5];
	unsigned wide;

	for (size_t at = 0; at < len; at += n, used += wide) {
		n = next_char(c, text + at, len - at, shown, &wide);
		if (text[at] == ' ' && at > 0 && text[at - 1] != ' ')
			blank = at;
		if (used + wide > columns)
			return blank > 0 ? blank : at;
	}
	return len;
}

void
term_wrap(
    const struct ctl *c, enum term_colour colour, const char *text, unsigned indent, size_t lines)
{
	size_t columns = c->width > indent + NARROWEST / 2 ? c->width - indent : NARROWEST / 2;
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	do {
		bool last = c->width == 0 || lines == 1;
		size_t n = last ? strlen(text) : line_length(c, text, columns);
		char *part = xstrndup(text, n);

		buf_clear(&line);
		term_clean(c, &line, part, c->width == 0 ? 0 : columns);
		fprintf(c->out, "%*s%s%s%s\n", (int)indent, "", term_begin(c, colour),
		    buf_str(&line), term_end(c, colour));
		free(part);
		text += n + strspn(text + n, " ");
		lines -= lines > 0 ? 1 : 0;
	} while (*text != '\0');
	buf_free(&line);
}

const char *
term_size(uint64_t bytes, char dst[16])
{
	static const char units[] = "BKMGTPE";
	double n = (double)bytes;
	size_t unit = 0;

	for (; n >= 1000 && units[unit + 1] != '\0'; unit++)
		n /= 1024;
	snprintf(dst, 16, unit == 0 || n >= 10 ? "%.0f%c" : "%.1f%c", n, units[unit]);
	return dst;
}

void
term_fact(const struct ctl *c, const char *name, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(c->out, "  %s%-11s%s ", term_begin(c, TERM_DIM), name, term_end(c, TERM_DIM));
	term_print(c, text);
	putc('\n', c->out);
}

const char *
term_when(const struct ctl *c, int64_t at, char dst[80])
{
	char date[32], text[32];
	bool past = at <= c->now;

	str_duration_text(past ? c->now - at : at - c->now, text, sizeof(text));
	snprintf(dst, 80, "%s, %s%s%s", view_date(at, date), past ? "" : "in ", text,
	    past ? " ago" : "");
	return dst;
}

const char *
term_span(int64_t seconds, char dst[24])
{
	static const struct {
		int64_t seconds;
		char letter;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	size_t i = 0;

	if (seconds < 0)
		seconds = 0;
	while (i < 3 && seconds < 2 * units[i].seconds)
		i++;
	snprintf(dst, 24, "%" PRId64 "%c", seconds / units[i].seconds, units[i].letter);
	return dst;
}

const char *
term_count(const struct ctl *c, uint64_t n, char dst[24])
{
	if (n > 9999 && c->tty)
		snprintf(dst, 24, n > 999999 ? "%" PRIu64 "M" : "%" PRIu64 "k",
		    n > 999999 ? n / 1000000 : n / 1000);
	else
		snprintf(dst, 24, "%" PRIu64, n);
	return dst;
}

/* --- tables ------------------------------------------------------------------------------- */

static unsigned
gap(const struct table_column *column)
{
	return column->tight ? 1 : 2;
}

/* What is left of the terminal goes to those that may grow. */
static void
share_out(struct table *t, unsigned left, unsigned shares)
{
	for (size_t i = 0; i < t->n && shares > 0; i++) {
		unsigned share = t->width[i] == 0 ? 0 : t->columns[i].share;
		unsigned more = left * share / shares;

		t->width[i] += more;
		left -= more;
		shares -= share;
	}
}

void
table_init(struct table *t, const struct ctl *c, const struct table_column *columns, size_t n)
{
	unsigned needed = 0, shares = 0, usual;

	*t = (struct table){.c = c, .columns = columns, .n = n};
	buf_init(&t->line, LINE_MAX_BYTES);
	if (n > TABLE_COLUMNS_MAX)
		bug("too many columns");
	for (size_t i = 0; i < n; i++) {
		if (c->width != 0 && c->width < columns[i].wide)
			continue;
		t->width[i] = columns[i].width;
		needed += columns[i].width + (needed > 0 ? gap(&columns[i]) : 0);
		shares += columns[i].share;
	}
	usual = c->width != 0 ? c->width : USUAL;
	if (usual > needed)
		share_out(t, usual - needed, shares);
}

void
table_free(struct table *t)
{
	buf_free(&t->line);
}

static void
pad(struct buf *line, size_t n)
{
	while (n-- > 0)
		buf_addc(line, ' ');
}

/* One cell at the column `at`; returns where it ends. */
static size_t
add_cell(struct table *t, size_t i, const char *text, size_t at)
{
	const struct ctl *c = t->c;
	size_t width = t->width[i], left = c->width - at, limit = 0, used;
	bool cut;

	if (c->width != 0) {
		if (width > left)
			width = left;
		limit = t->columns[i].whole ? left : width;
	}
	used = measure(c, text, limit == 0 ? SIZE_MAX : limit, &cut);
	if (t->columns[i].right && used < width) {
		pad(&t->line, width - used);
		at += width - used;
	}
	return at + term_clean(c, &t->line, text, limit);
}

static void
add_line(struct table *t, enum term_colour colour, const char *const cells[])
{
	const struct ctl *c = t->c;
	size_t at = 0, column = 0;

	buf_clear(&t->line);
	for (size_t i = 0; i < t->n; i++) {
		const char *text = cells != NULL ? cells[i] : t->columns[i].head;
		unsigned before = column == 0 ? 0 : gap(&t->columns[i]);

		if (t->width[i] == 0)
			continue;
		column += before;
		if (text != NULL && text[0] != '\0') {
			size_t start = at + before > column ? at + before : column;

			if (c->width != 0 && start >= c->width)
				break;
			pad(&t->line, start - at);
			at = add_cell(t, i, text, start);
		}
		column += t->width[i];
	}
	fprintf(c->out, "%s%s%s\n", term_begin(c, colour), buf_str(&t->line), term_end(c, colour));
}

void
table_row(struct table *t, enum term_colour colour, const char *const cells[])
{
	if (!t->begun)
		add_line(t, TERM_BOLD, NULL);
	t->begun = true;
	add_line(t, colour, cells);
}
