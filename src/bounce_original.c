/* bounce_original.c: the message that a report is about. */
#include "bounce_original.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "bounce_letter.h"
#include "proto/address.h"

enum { HEAD_MAX = 64 * 1024 }; /* what is looked at, and returned, of a header */

void
original_init(struct original *m, int fd)
{
	*m = (struct original){.fd = fd};
	buf_init(&m->head, HEAD_MAX + ORIGINAL_BLOCK);
}

void
original_free(struct original *m)
{
	buf_free(&m->head);
}

/* How much of data is header: whole lines up to the empty one. */
static size_t
header_length(const char *data, size_t n)
{
	size_t end = 0;
	const char *nl;

	while (end < n && (nl = memchr(data + end, '\n', n - end)) != NULL) {
		size_t line = (size_t)(nl - (data + end)) + 1;

		if (line == 1 || (line == 2 && data[end] == '\r'))
			break;
		end += line;
	}
	return end;
}

/* The longest line of a block, not counting its end; *column runs on to the next. */
static unsigned
longest_line(const char *data, size_t n, unsigned *column)
{
	unsigned longest = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (data[i] == '\n')
			*column = 0;
		else if (data[i] != '\r' && ++*column > longest)
			longest = *column;
	}
	return longest;
}

ssize_t
original_block(const struct original *m, char block[ORIGINAL_BLOCK], uint64_t at)
{
	ssize_t n;

	do
		n = sys.pread(m->fd, block, ORIGINAL_BLOCK, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n;
}

int
original_read(struct original *m, uint64_t whole_max)
{
	char *block = xmalloc(ORIGINAL_BLOCK);
	unsigned column = 0;
	uint64_t at = 0;
	struct stat st;
	ssize_t got = -1;

	if (sys.fstat(m->fd, &st) != 0)
		goto out;
	m->whole = (uint64_t)st.st_size <= whole_max;
	while ((m->whole || at < HEAD_MAX) && (got = original_block(m, block, at)) > 0) {
		if (at < HEAD_MAX)
			buf_add(&m->head, block, (size_t)got);
		at += (uint64_t)got;
		m->eightbit = m->eightbit || letter_has_eightbit(block, (size_t)got);
		if (longest_line(block, (size_t)got, &column) > LETTER_LINE_MAX)
			m->whole = false;
	}
	m->header_len = header_length(buf_data(&m->head), buf_len(&m->head));
	m->header_eightbit = letter_has_eightbit(buf_data(&m->head), m->header_len);
out:
	free(block);
	return got < 0 ? -1 : 0;
}

const char *
original_field(const struct original *m, const char *name, size_t *n)
{
	const char *at = buf_data(&m->head), *end = at + m->header_len;
	size_t len = strlen(name);

	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		const char *next = nl != NULL ? nl + 1 : end;

		while (next < end && (*next == ' ' || *next == '\t')) {
			nl = memchr(next, '\n', (size_t)(end - next));
			next = nl != NULL ? nl + 1 : end;
		}
		if ((size_t)(next - at) > len && at[len] == ':' && str_neqi(at, name, len)) {
			*n = (size_t)(next - at) - len - 1;
			return at + len + 1;
		}
		at = next;
	}
	return NULL;
}

struct mailbox {
	char *dst;
	size_t size;
};

static void
take_first(void *ctx, const char *mailbox, enum address_error e)
{
	const struct mailbox *to = ctx;

	if (to->dst[0] == '\0' && e == ADDRESS_OK && address_domain(mailbox) != NULL)
		str_copy(to->dst, to->size, mailbox);
}

void
original_from_field(const struct original *m, char *dst, size_t size)
{
	struct mailbox to = {dst, size};
	size_t n;
	const char *from = original_field(m, "From", &n);

	dst[0] = '\0';
	if (from != NULL)
		address_list(from, n, take_first, &to);
}

int
original_from(int fd, char *dst, size_t size)
{
	struct original m;
	int r;

	original_init(&m, fd);
	if ((r = original_read(&m, 0)) == 0)
		original_from_field(&m, dst, size);
	original_free(&m);
	return r;
}
