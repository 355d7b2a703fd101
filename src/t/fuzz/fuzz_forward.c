/*
 * fuzz_forward.c: any text as a .forward, and as a message that may have been somewhere before. Whatever it says,
 * only addresses come of it, and the mail goes somewhere; written out in another way it means the same; and of
 * text without quotes it means what a look at each entry says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "forward.h"
#include "fuzz.h"
#include "proto/address.h"

static const struct forward_user alice = {
    .name = "alice", .address = "alice+x@example.org", .hostname = "out.example.org"};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool
names(const struct forward *f, const char *address)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->to[i], address) == 0)
			return true;
	return false;
}

/* --- what holds of all -------------------------------------------------------------------- */

static void
check_outcome(const struct forward *f)
{
	if (f->n > FORWARD_MAX || (!f->keep && (f->n == 0 || f->why[0] != '\0')))
		bug("the mail goes nowhere, or too far");
	if (!str_is_clean(f->why, strlen(f->why)))
		bug("a complaint that nobody can be shown");
	for (size_t i = 0; i < f->n; i++)
		if (address_check(f->to[i], false) != ADDRESS_OK)
			bug("what it leads to is no address");
}

/* --- written anew ------------------------------------------------------------------------- */

static void
check_anew(const struct forward *f)
{
	static const char *const before[] = {"\t", "\"of, with\" ", "# no, more\n Alice "};
	struct forward again;
	struct buf text;

	for (size_t i = 0; i < f->n; i++) /* a literal may have what separates entries elsewhere */
		if (strpbrk(address_domain(f->to[i]), "\",") != NULL)
			return;
	buf_init(&text, 1 << 20);
	for (size_t i = 0; i < f->n; i++)
		buf_addf(&text, "%s<%s>%s", before[i % 3], f->to[i], i % 3 == 0 ? " ,," : "\r\n");
	if (f->keep)
		buf_adds(&text, "\n\\ALICE");
	forward_parse(&again, buf_data(&text), buf_len(&text), &alice);
	if (again.why[0] != '\0' || again.n != f->n || again.keep != f->keep)
		bug("written anew, it says something else");
	for (size_t i = 0; i < f->n; i++)
		if (!names(&again, f->to[i]))
			bug("written anew, it leads elsewhere");
	forward_free(&again);
	buf_free(&text);
}

/* --- entry by entry ----------------------------------------------------------------------- */

struct slow {
	struct buf to; /* "a@b\n" each, and perhaps twice */
	bool keep, refused;
};

/* Letters and digits; at must be one @ at most, with something on both sides. */
static bool
is_simple(const char *s, size_t n, size_t *at)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	*at = n;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '@' && *at == n && i > 0 && i + 1 < n)
			*at = i;
		else if (strchr(letters, s[i]) == NULL || s[i] == '\0')
			return false;
	}
	return n > 0 && n <= 60;
}

/* False: it takes more than that to understand it. */
static bool
take_entry(struct slow *s, const char *entry, size_t n)
{
	char text[100];
	size_t at;

	if (n > 0 && (entry[0] == '|' || entry[0] == '/')) {
		s->refused = true;
		return true;
	}
	if (!is_simple(entry, n, &at))
		return false;
	snprintf(text, sizeof(text), "%.*s%s", (int)n, entry, at < n ? "" : "@out.example.org");
	if (at == n && str_eqi(text, "alice@out.example.org"))
		s->keep = true;
	else
		buf_addf(&s->to, "%s\n", text);
	return true;
}

static bool
take_line(struct slow *s, const char *line, size_t n)
{
	while (n > 0 && is_blank(*line)) {
		line++;
		n--;
	}
	if (n > 0 && *line == '#')
		return true;
	for (size_t from = 0, to; from <= n; from = to + 1) {
		size_t first = from, last;

		for (to = from; to < n && line[to] != ','; to++)
			;
		for (last = to; last > first && is_blank(line[last - 1]); last--)
			;
		while (first < last && is_blank(line[first]))
			first++;
		if (first < last && !take_entry(s, line + first, last - first))
			return false;
	}
	return true;
}

static void
compare(const struct forward *f, struct slow *s)
{
	const char *p = buf_data(&s->to), *end = p + buf_len(&s->to);
	char address[100];
	size_t n;

	if (f->n < FORWARD_MAX && (f->why[0] != '\0') != s->refused)
		bug("refused, or not, for what it is");
	if (f->n < FORWARD_MAX && f->keep != (s->keep || s->refused || p == end))
		bug("kept, or not, for what it says");
	for (; p < end; p += n + 1) {
		n = (size_t)((const char *)memchr(p, '\n', (size_t)(end - p)) - p);
		snprintf(address, sizeof(address), "%.*s", (int)n, p);
		if (f->n < FORWARD_MAX && !names(f, address))
			bug("an address is left out");
	}
	for (size_t i = 0; i < f->n; i++)
		if (strstr(buf_str(&s->to), f->to[i]) == NULL)
			bug("an address that nobody wrote");
}

static void
check_slowly(const struct forward *f, const char *text, size_t n)
{
	struct slow s = {.keep = false};
	bool understood = memchr(text, '"', n) == NULL && memchr(text, '\0', n) == NULL;

	buf_init(&s.to, 1 << 24);
	for (size_t at = 0; at < n && understood;) {
		size_t len = 0;

		while (at + len < n && text[at + len] != '\n')
			len++;
		understood = take_line(&s, text + at, len);
		at += len + 1;
	}
	if (understood)
		compare(f, &s);
	buf_free(&s.to);
}

/* --- Delivered-To ------------------------------------------------------------------------- */

static const uint8_t *message;
static size_t message_size;

/* Not all at once. */
static ssize_t
read_message(int fd, void *to, size_t n, off_t at)
{
	size_t left = (size_t)at < message_size ? message_size - (size_t)at : 0;

	(void)fd;
	n = n < left ? n : left;
	n = n > 37 ? 37 : n;
	memcpy(to, message + at, n);
	return (ssize_t)n;
}

static bool
tells_of_alice(const char *text, size_t n)
{
	static const char name[] = "Delivered-To:";
	size_t len, from, to, wanted = strlen(alice.address);

	for (size_t at = 0; at < n; at += len + 1) {
		for (len = 0; at + len < n && text[at + len] != '\n'; len++)
			;
		from = at;
		to = at + len;
		if (len == 0 || (len == 1 && text[at] == '\r'))
			return false;
		if (len < strlen(name) || !str_neqi(text + at, name, strlen(name)))
			continue;
		for (from += strlen(name); from < to && is_blank(text[from]); from++)
			;
		for (; to > from && is_blank(text[to - 1]); to--)
			;
		if (to - from == wanted && str_neqi(text + from, alice.address, wanted))
			return true;
	}
	return false;
}

void
fuzz_forward(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct forward f;

	forward_parse(&f, text, size, &alice);
	check_outcome(&f);
	check_anew(&f);
	check_slowly(&f, text, size);
	forward_free(&f);
	message = data;
	message_size = size;
	sys.pread = read_message;
	if (forward_has_looped(0, alice.address) != tells_of_alice(text, size))
		bug("it has been there, or has not");
	sys.pread = sys_libc.pread;
}
