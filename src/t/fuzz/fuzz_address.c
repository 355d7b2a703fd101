/*
 * fuzz_address.c: what the walk gives is what the check takes, read again it is the same; a display name
 * can neither end its field nor change the address behind it.
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
	free(text);
}
