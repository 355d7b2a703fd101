/*
 * fuzz_reply.c: bytes of a server, in pieces. The first byte is the size of a piece. However they
 * come, the replies are those that a slow and obvious reading finds, and what is taken out of them
 * is clean.
 */
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "proto/reply.h"
#include "fuzz.h"

struct reading {
	enum reply_state state;
	int code;
	size_t nlines, used;
};

static void
require(bool holds, const char *what)
{
	if (!holds)
		bug(what);
}

/* A line without its end; whether it is a good one of this reply. */
static bool
read_line(struct reading *r, const char *line, size_t n)
{
	int code = 0;

	if (n > 0 && line[n - 1] == '\r')
		n--;
	for (size_t i = 0; i < 3; i++) {
		if (i == n || line[i] < '0' || line[i] > '9')
			return false;
		code = code * 10 + line[i] - '0';
	}
	if (code < 200 || code > 599 || (r->nlines > 0 && code != r->code))
		return false;
	r->code = code;
	if (n == 3 || line[3] == ' ')
		r->state = REPLY_COMPLETE;
	else if (line[3] != '-')
		return false;
	return ++r->nlines <= REPLY_LINES_MAX;
}

/* The first reply in these bytes. */
static struct reading
read_slowly(const char *data, size_t n)
{
	struct reading r = {.state = REPLY_MORE};
	size_t line = 0, at;

	for (at = 0; at < n && r.state == REPLY_MORE; at++) {
		if (at - line + 1 > REPLY_LINE_MAX || at + 1 > REPLY_MAX)
			r.state = REPLY_BAD;
		else if (data[at] == '\n') {
			if (!read_line(&r, data + line, at - line))
				r.state = REPLY_BAD;
			line = at + 1;
		}
	}
	r.used = at;
	return r;
}

static void
check_complete(const struct reply *r)
{
	char text[VERDICT_TEXT_MAX];

	require(strlen(r->enhanced) < sizeof(r->enhanced), "an enhanced status without end");
	require(r->enhanced[0] == '\0' || r->enhanced[0] == '0' + r->code / 100,
	    "an enhanced status of another class");
	reply_text(r, text, sizeof(text));
	require(str_is_clean(text, strlen(text)), "a text that is not clean");
}

static void
check_pieces(const char *data, size_t n, size_t piece)
{
	struct reply r;
	struct reading want;
	size_t at = 0, took;

	reply_init(&r);
	want = read_slowly(data, n);
	while (n > 0 && r.state != REPLY_BAD) {
		took = reply_input(&r, data, n < piece ? n : piece);
		require(took > 0, "nothing is taken");
		data += took;
		n -= took;
		at += took;
		if (r.state != REPLY_COMPLETE)
			continue;
		require(want.state == REPLY_COMPLETE && at == want.used, "it ends elsewhere");
		require(r.code == want.code && r.nlines == want.nlines, "it is another reply");
		check_complete(&r);
		want = read_slowly(data, n);
		at = 0;
	}
	require(at == 0 || r.state == want.state, "it is good, and was taken for bad; or not");
	reply_free(&r);
}

void
fuzz_reply(const uint8_t *data, size_t size)
{
	if (size == 0)
		return;
	check_pieces((const char *)data + 1, size - 1, data[0] % 64 + 1);
	check_pieces((const char *)data + 1, size - 1, size);
}
