/*
 * fuzz_ehlo.c: lines behind "250-" in the reply to EHLO, the first being the greeting. What is
 * believed of them is what one finds who searches the text for it: all letters made capital, all
 * blanks made one, and an extension asked for as "\nKEYWORD ". A byte 01 stands for NUL, which the
 * server may send but the search could not see.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/ehlo.h"
#include "fuzz.h"

static const struct {
	const char *keyword;
	enum ehlo_offer offer;
} extensions[] = {
    {"\nPIPELINING ", EHLO_PIPELINING},
    {"\n8BITMIME ", EHLO_8BITMIME},
    {"\nENHANCEDSTATUSCODES ", EHLO_ENHANCEDSTATUSCODES},
    {"\nCHUNKING ", EHLO_CHUNKING},
    {"\nDSN ", EHLO_DSN},
    {"\nSMTPUTF8 ", EHLO_SMTPUTF8},
    {"\nSTARTTLS ", EHLO_STARTTLS},
};

static void
require(bool holds, const char *what)
{
	if (!holds)
		bug(what);
}

/* The reply as a server sends it. false: it is none that is believed at all. */
static bool
make_reply(struct reply *r, const char *text)
{
	struct buf wire;
	const char *lf;

	buf_init(&wire, 2 * REPLY_MAX);
	for (; (lf = strchr(text, '\n')) != NULL; text = lf + 1)
		buf_addf(&wire, "250-%.*s\r\n", (int)(lf - text), text);
	buf_addf(&wire, "250 %s\r\n", text);
	for (size_t i = 0; i < buf_len(&wire); i++)
		if (wire.mem[wire.start + i] == '\1')
			wire.mem[wire.start + i] = '\0';
	reply_init(r);
	reply_input(r, buf_data(&wire), buf_len(&wire));
	buf_free(&wire);
	return r->state == REPLY_COMPLETE;
}

/* Every line is "\nWORD WORD WORD ". */
static const char *
normalise(struct buf *b, const char *text)
{
	bool blank = true;

	buf_addc(b, '\n');
	for (const char *p = text;; p++) {
		if (*p == '\n' || *p == '\0' || *p == ' ') {
			if (!blank)
				buf_addc(b, ' ');
			blank = true;
			if (*p == '\0')
				return buf_str(b);
			if (*p == '\n')
				buf_addc(b, '\n');
		} else {
			buf_addc(b, *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p);
			blank = false;
		}
	}
}

/* Digits alone up to the next space; too many are ULLONG_MAX, with errno. */
static bool
number(const char *p, unsigned long long *n)
{
	size_t digits = strspn(p, "0123456789");

	errno = 0;
	*n = strtoull(p, NULL, 10);
	return digits > 0 && p[digits] == ' ';
}

static void
check_size(const struct ehlo *e, const char *all)
{
	unsigned long long size = 0, n;
	bool offered = false;

	for (const char *p = all; (p = strstr(p, "\nSIZE ")) != NULL;) {
		p += strlen("\nSIZE ");
		if (*p == '\n' || *p == '\0')
			size = 0;
		else if (number(p, &n))
			size = errno == 0 ? n : 0;
		else
			continue;
		offered = true;
	}
	require(((e->offers & EHLO_SIZE) != 0) == offered, "SIZE");
	require(e->size == size, "the number behind SIZE");
}

static void
check_limit(const char *all, const char *name, uint32_t believed)
{
	unsigned long long limit = 0, n;

	for (const char *line = all; (line = strstr(line, "\nLIMITS ")) != NULL; line++) {
		const char *end = line + 1 + strcspn(line + 1, "\n"), *p = line;

		while ((p = strstr(p, name)) != NULL && p < end) {
			p += strlen(name);
			if (number(p, &n) && n > 0 && n <= 999999)
				limit = n;
		}
	}
	require(believed == limit, "a number behind LIMITS");
}

static bool
is_mechanism(const char *word, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", word[i]) == NULL)
			return false;
	return n >= 1 && n <= 20;
}

/* Adds a word to a list that has a space at either end, if it may be there and fits. */
static void
add_mechanism(char *list, size_t size, const char *p, size_t n)
{
	size_t used = strlen(list);
	char word[24];

	if (!is_mechanism(p, n) || used + n + 2 > size)
		return;
	snprintf(word, sizeof(word), " %.*s ", (int)n, p);
	if (strstr(list, word) == NULL)
		memcpy(list + used, word + 1, n + 2);
}

static void
check_auth(const struct ehlo *e, const char *all)
{
	char want[sizeof(e->auth) + 2] = " ";
	bool offered = false, plain;

	for (const char *line = strchr(all, '\n'); line != NULL; line = strchr(line + 1, '\n')) {
		const char *p = line + strlen("\nAUTH ");

		if (strncmp(line, "\nAUTH ", 6) != 0 &&
		    (strncmp(line, "\nAUTH=", 6) != 0 || *p == ' '))
			continue;
		offered = true;
		for (; *p != '\n' && *p != '\0'; p += strcspn(p, " ") + 1)
			add_mechanism(want, sizeof(want), p, strcspn(p, " "));
	}
	plain = strstr(want, " PLAIN ") != NULL;
	want[strlen(want) - 1] = '\0';
	require(((e->offers & EHLO_AUTH) != 0) == offered, "AUTH");
	require(strcmp(e->auth, want[0] == '\0' ? "" : want + 1) == 0, "its mechanisms");
	require(ehlo_has_auth(e, "plain") == plain, "a mechanism by name");
}

static void
check(const struct reply *r, const char *all)
{
	const char *rest = strchr(all + 1, '\n');
	struct ehlo e;
	char name[80];

	memset(&e, 0xff, sizeof(e));
	ehlo_parse(&e, r);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(all + 1, " \n"), all + 1);
	if (strlen(name) + 1 < sizeof(name) && strchr(name, '\1') == NULL)
		require(ehlo_is_named(r, name) == (name[0] != '\0'), "the server's name");
	if (rest == NULL)
		rest = "";
	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++)
		require(((e.offers & extensions[i].offer) != 0) ==
			    (strstr(rest, extensions[i].keyword) != NULL),
		    extensions[i].keyword);
	check_size(&e, rest);
	check_limit(rest, " RCPTMAX=", e.rcptmax);
	check_limit(rest, " MAILMAX=", e.mailmax);
	check_auth(&e, rest);
}

void
fuzz_ehlo(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	struct reply r;
	struct buf all;

	buf_init(&all, 2 * REPLY_MAX);
	if (make_reply(&r, text))
		check(&r, normalise(&all, text));
	reply_free(&r);
	buf_free(&all);
	free(text);
}
