/* buf.c: a growing byte buffer. */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { BUF_FIRST = 64 };

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max < SIZE_MAX / 4 ? max : SIZE_MAX / 4};
}

void
buf_free(struct buf *b)
{
	free(b->mem);
	buf_init(b, b->max);
}

void
buf_clear(struct buf *b)
{
	b->start = b->len = 0;
	b->overflow = false;
}

void
buf_wipe(struct buf *b)
{
	xwipe(b->mem, b->cap);
	buf_clear(b);
}

/*
 * Makes n bytes and a NUL fit behind the content. Content moves to the front only when it is at most
 * as long as the gap there, so that every byte moved has been paid for by one consumed.
 */
static void
make_room(struct buf *b, size_t n)
{
	size_t need = b->len + n + 1;

	if (b->cap - b->start >= need)
		return;
	if (b->start > 0 && b->start >= b->len && b->cap >= need) {
		memmove(b->mem, b->mem + b->start, b->len);
	} else {
		size_t cap = b->cap > BUF_FIRST / 2 ? b->cap * 2 : BUF_FIRST;
		char *mem;

		if (cap > b->max + 1)
			cap = b->max + 1;
		if (cap < need)
			cap = need;
		mem = xmalloc(cap);
		if (b->len > 0)
			memcpy(mem, b->mem + b->start, b->len);
		free(b->mem);
		b->mem = mem;
		b->cap = cap;
	}
	b->start = 0;
}

void
buf_exchange(struct buf *b, struct buf *spare)
{
	char *mem = spare->mem;
	size_t cap = spare->cap;

	if (spare->len > 0 || (b->len > 0 && b->len >= cap))
		bug("an exchange of buffers at the cost of their content");
	if (b->len > 0)
		memcpy(mem, b->mem + b->start, b->len);
	spare->mem = b->mem;
	spare->cap = b->cap;
	b->mem = mem;
	b->cap = cap;
	b->start = spare->start = 0;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	if (b->overflow || n > b->max - b->len) {
		b->overflow = true;
		return NULL;
	}
	make_room(b, n);
	return b->mem + b->start + b->len;
}

void
buf_commit(struct buf *b, size_t n)
{
	if (n > 0 && (b->mem == NULL || n > b->cap - b->start - b->len - 1))
		bug("buf_commit of more than was reserved");
	b->len += n;
}

void
buf_add(struct buf *b, const void *data, size_t n)
{
	char *p;

	if (n == 0 || (p = buf_reserve(b, n)) == NULL)
		return;
	memcpy(p, data, n);
	b->len += n;
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void
buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	size_t room = b->cap - b->start - b->len; /* 0 when there is no memory */
	va_list again;
	int n;
	char *p;

	va_copy(again, ap);
	n = vsnprintf(room > 0 ? b->mem + b->start + b->len : NULL, room, fmt, again);
	va_end(again);
	if (n < 0)
		bug("a format that cannot be printed");
	p = buf_reserve(b, (size_t)n);
	if (p == NULL)
		return;
	/* The byte for vsnprintf's NUL is always there. */
	if ((size_t)n >= room)
		vsnprintf(p, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

const char *
buf_data(const struct buf *b)
{
	return b->mem != NULL ? b->mem + b->start : "";
}

size_t
buf_len(const struct buf *b)
{
	return b->len;
}

size_t
buf_room(const struct buf *b)
{
	return b->overflow ? 0 : b->max - b->len;
}

const char *
buf_str(struct buf *b)
{
	make_room(b, 0);
	b->mem[b->start + b->len] = '\0';
	return b->mem + b->start;
}

void
buf_consume(struct buf *b, size_t n)
{
	if (n > b->len)
		bug("buf_consume of more than there is");
	b->len -= n;
	b->start = b->len > 0 ? b->start + n : 0;
}
