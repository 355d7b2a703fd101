/*
 * fuzz_reply.c: bytes of a server, in pieces. The first byte is the size of a piece. Whatever
 * comes, ceilings hold, what is taken out is clean, and the pieces make no difference.
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "proto/ehlo.h"
#include "proto/reply.h"
#include "fuzz.h"

static void
require(bool ok)
{
	if (!ok)
		abort();
}

static void
check_complete(const struct reply *r)
{
	char text[VERDICT_TEXT_MAX];
	struct ehlo e;

	require(r->code >= 200 && r->code <= 599);
	require(r->nlines >= 1 && r->nlines <= REPLY_LINES_MAX);
	require(r->enhanced[0] == '\0' || r->enhanced[0] == '0' + r->code / 100);
	require(strlen(r->enhanced) < sizeof(r->enhanced));
	reply_text(r, text, sizeof(text));
	require(str_is_clean(text, strlen(text)));
	ehlo_parse(&e, r);
	require(strlen(e.auth) < sizeof(e.auth) && str_is_clean(e.auth, strlen(e.auth)));
	ehlo_is_named(r, "mx.example");
}

/* What all replies of the input come to, in one number. */
static uint64_t
digest(const char *data, size_t n, size_t piece)
{
	struct reply r;
	uint64_t d = 1;
	size_t at = 0, took;

	reply_init(&r);
	for (; at < n && r.state != REPLY_BAD; at += took) {
		took = reply_input(&r, data + at, n - at < piece ? n - at : piece);
		require(took > 0 || r.state == REPLY_BAD);
		require(buf_len(&r.raw) <= REPLY_MAX);
		if (r.state == REPLY_COMPLETE) {
			check_complete(&r);
			d = d * 1000003 + (uint64_t)r.code * 1000 + r.nlines;
		}
	}
	d = d * 3 + r.state;
	reply_free(&r);
	return d;
}

void
fuzz_reply(const uint8_t *data, size_t size)
{
	if (size > 0)
		require(digest((const char *)data + 1, size - 1, data[0] % 64 + 1) ==
			digest((const char *)data + 1, size - 1, size));
}
