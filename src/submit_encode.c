/*
 * submit_encode.c: the second pass over a body whose lines SMTP does not carry.
 */
#include "submit_encode.h"

#include <errno.h>

#include "base/sys.h"
#include "proto/qp.h"

enum { CHUNK = 16 * 1024 };

const char *
submit_encode_obstacle(const struct submit_facts *facts)
{
	if (facts->dkim)
		return "it is signed";
	if (facts->content == SUBMIT_CONTENT_OTHER)
		return "it is not a single text";
	if (facts->encoded)
		return "it has a transfer encoding";
	return NULL;
}

typedef void chunk_fn(void *ctx, const char *data, size_t n);

static int
walk(int fd, off_t at, chunk_fn *fn, void *ctx)
{
	char chunk[CHUNK];

	for (;;) {
		ssize_t n = sys.pread(fd, chunk, sizeof(chunk), at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? 0 : -1;
		fn(ctx, chunk, (size_t)n);
		at += n;
	}
}

/* --- what it is written in --- */

struct charset { /* RFC 3629 section 4, a byte at a time */
	bool eightbit, malformed;
	int missing; /* continuation bytes */
	unsigned char low, high; /* of the next one */
};

static void
first_byte(struct charset *cs, unsigned char c)
{
	cs->eightbit = true;
	cs->low = 0x80;
	cs->high = 0xbf;
	if (c >= 0xc2 && c <= 0xdf) {
		cs->missing = 1;
	} else if (c >= 0xe0 && c <= 0xef) {
		cs->missing = 2;
		if (c == 0xe0)
			cs->low = 0xa0; /* shortest form only */
		else if (c == 0xed)
			cs->high = 0x9f; /* no surrogates */
	} else if (c >= 0xf0 && c <= 0xf4) {
		cs->missing = 3;
		if (c == 0xf0)
			cs->low = 0x90;
		else if (c == 0xf4)
			cs->high = 0x8f; /* nothing above 10FFFF */
	} else {
		cs->malformed = true;
	}
}

static void
look(void *ctx, const char *data, size_t n)
{
	struct charset *cs = ctx;

	for (size_t i = 0; i < n && !cs->malformed; i++) {
		unsigned char c = (unsigned char)data[i];

		if (cs->missing > 0) {
			if (c < cs->low || c > cs->high)
				cs->malformed = true;
			cs->missing--;
			cs->low = 0x80;
			cs->high = 0xbf;
		} else if (c >= 0x80) {
			first_byte(cs, c);
		}
	}
}

/* RFC 1428 section 3 has the name for what nobody has told us. */
static const char *
charset_name(const struct charset *cs)
{
	if (cs->malformed || cs->missing > 0)
		return "unknown-8bit";
	return cs->eightbit ? "utf-8" : "us-ascii";
}

/* --- the pass --- */

struct encoder {
	struct qp qp;
	struct buf out;
	struct submit_body *body;
};

static void
encode(void *ctx, const char *data, size_t n)
{
	struct encoder *e = ctx;

	buf_clear(&e->out);
	qp_encode(&e->qp, data, n, &e->out);
	submit_body_add(e->body, buf_data(&e->out), buf_len(&e->out));
}

static int
write_encoded(int from, const struct buf *header, const struct submit_facts *facts,
    const char *charset, struct submit_body *body)
{
	struct encoder e = {.body = body};
	int r;

	buf_init(&e.out, buf_len(header) + 1024);
	submit_header_encoded(&e.out, buf_data(header), buf_len(header), facts, charset);
	buf_adds(&e.out, "\r\n");
	submit_body_add(body, buf_data(&e.out), buf_len(&e.out));
	buf_free(&e.out);
	buf_init(&e.out, 4 * (CHUNK + 1));
	r = walk(from, (off_t)buf_len(header) + 2, encode, &e);
	buf_free(&e.out);
	submit_body_flush(body);
	if (r == 0 && body->error != 0) {
		errno = body->error;
		r = -1;
	}
	return r;
}

int
submit_encode(struct spool *sp, struct draft *d, const struct buf *header,
    const struct submit_facts *facts, struct submit_body *body)
{
	struct charset cs = {0};
	int fd;

	if (walk(d->fd, (off_t)buf_len(header) + 2, look, &cs) == -1)
		return -1;
	if (draft_replace_begin(sp, d, &fd) == -1)
		return -1;
	submit_body_init(body, fd, 0);
	if (write_encoded(d->fd, header, facts, charset_name(&cs), body) == -1)
		return -1;
	return draft_replace_end(sp, d, fd);
}
