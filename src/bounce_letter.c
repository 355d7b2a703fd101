/* bounce_letter.c: a message of our own, written into a draft. */
#include "bounce_letter.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "spool/durable.h"

enum { BLOCK = 32 * 1024, FOLD_AT = 76 };

static const char spaces[] = " \t\r\n"; /* between words; a line break in a text is one, too */

bool
letter_has_eightbit(const char *data, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((unsigned char)data[i] > 127)
			return true;
	return false;
}

void
letter_init(struct letter *l, int fd)
{
	*l = (struct letter){.fd = fd};
	buf_init(&l->out, BLOCK);
}

void
letter_free(struct letter *l)
{
	buf_free(&l->out);
}

static void
flush(struct letter *l)
{
	if (l->error == 0 && durable_write(l->fd, buf_data(&l->out), buf_len(&l->out)) != 0)
		l->error = errno;
	buf_clear(&l->out);
}

void
letter_add(struct letter *l, const char *data, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if ((unsigned char)data[i] > 127)
			l->eightbit = true;
		if (data[i] == '.' && l->column == 0)
			l->dots = true;
		if (data[i] == '\n')
			l->column = 0;
		else if (data[i] != '\r' && ++l->column > l->longest)
			l->longest = l->column;
	}
	l->size += n;
	while (n > 0) {
		size_t part = n < BLOCK ? n : BLOCK;

		if (buf_len(&l->out) + part > BLOCK)
			flush(l);
		buf_add(&l->out, data, part);
		data += part;
		n -= part;
	}
}

void
letter_adds(struct letter *l, const char *text)
{
	letter_add(l, text, strlen(text));
}

void
letter_addf(struct letter *l, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) > 0)
		letter_adds(l, text);
	va_end(ap);
}

void
letter_fold(struct letter *l, const char *text, const char *indent)
{
	bool first = true;

	for (text += strspn(text, spaces); *text != '\0'; text += strspn(text, spaces)) {
		size_t word = strcspn(text, spaces);
		size_t room;

		if (!first && l->column + 1 + word > FOLD_AT) {
			letter_adds(l, "\r\n");
			letter_adds(l, indent);
		} else if (!first)
			letter_adds(l, " ");
		first = false;
		room = LETTER_LINE_MAX - l->column;
		if (word > room)
			for (word = room; word > 1 && ((unsigned char)text[word] & 0xc0) == 0x80;)
				word--;
		letter_add(l, text, word);
		text += word;
	}
	letter_adds(l, "\r\n");
}

int
letter_finish(struct letter *l)
{
	flush(l);
	errno = l->error;
	return l->error == 0 ? 0 : -1;
}
