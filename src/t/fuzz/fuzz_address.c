/*
 * fuzz_address.c: what the walk gives is what the check takes, read again it is the same; a display name
 * can neither end its field nor change the address behind it, and a local part may be any text.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "proto/address.h"
#include "fuzz.h"

static void
expect_same(void *ctx, const char *mailbox, enum address_error e)
{
	if (e != ADDRESS_OK || strcmp(mailbox, ctx) != 0)
		bug("read again, an address is another");
}

static void
look(void *ctx, const char *mailbox, enum address_error e)
{
	char again[ADDRESS_MAX + 1];

	++*(size_t *)ctx;
	if (strlen(mailbox) > ADDRESS_MAX)
		bug("longer than it may be");
	if (e != ADDRESS_OK)
		return;
	if (address_check(mailbox, true) != ADDRESS_OK)
		bug("given, but not taken by the check");
	memcpy(again, mailbox, strlen(mailbox) + 1);
	if (address_argument(again, expect_same, again) != 1)
		bug("read again, it is not one address");
}

static void
check_phrase(const char *name)
{
	char address[] = "bob@example.org";
	struct buf b;

	buf_init(&b, 100000);
	address_phrase(&b, name);
	for (const char *p = buf_str(&b); *p != '\0'; p++) {
		if (*p == '\r' && (p[1] != '\n' || p[2] != ' '))
			bug("a phrase ends its field");
		if ((unsigned char)*p >= 0x7f)
			bug("a phrase that is not ASCII");
	}
	buf_addf(&b, " <%s>", address);
	if (address_list(buf_data(&b), buf_len(&b), expect_same, address) != 1)
		bug("a phrase changes what is behind it");
	buf_free(&b);
}

static void
expect_local(void *ctx, const char *mailbox, enum address_error e)
{
	const char *want = ctx, *p = mailbox;
	bool quoted = *p == '"';

	if (e != ADDRESS_OK)
		bug("a quoted local part is refused");
	for (p += quoted; *want != '\0'; want++, p++) {
		p += quoted && *p == '\\';
		if (*p != *want)
			bug("a quoted local part becomes another");
	}
	if (strcmp(p, quoted ? "\"@example.org" : "@example.org") != 0)
		bug("something else behind a quoted local part");
}

/* Printable text in quotes, whatever it is, is a local part (RFC 5321 4.1.2), in its shortest form. */
static void
check_quoted(const char *text)
{
	enum { LOCAL_MAX = 60 };
	char local[LOCAL_MAX + 1];
	size_t n = 0;
	struct buf b;

	buf_init(&b, 1000);
	buf_addc(&b, '"');
	for (; *text != '\0' && n < LOCAL_MAX; text++) {
		if (*text < ' ' || *text > '~')
			continue;
		buf_addf(&b, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
		local[n++] = *text;
	}
	local[n] = '\0';
	buf_adds(&b, "\"@example.org");
	if (n > 0 && address_list(buf_data(&b), buf_len(&b), expect_local, local) != 1)
		bug("a quoted local part is not one address");
	buf_free(&b);
}

void
fuzz_address(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	size_t given = 0;

	if (address_list((const char *)data, size, look, &given) != given)
		bug("a wrong count");
	(void)address_argument(text, look, &given);
	if (address_check(text, true) == ADDRESS_OK && strlen(text) > ADDRESS_MAX)
		bug("too long and taken");
	(void)address_domain(text);
	check_phrase(text);
	check_quoted(text);
	free(text);
}
