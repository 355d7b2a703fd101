/* ctl_json.c: JSON, written as it comes. */
#include "ctl/ctl_json.h"

#include <inttypes.h>
#include <string.h>

#include "base/str.h"

/*
 * RFC 8259 section 7:
 *   string = quotation-mark *char quotation-mark; quotation mark, reverse solidus and U+0000 to U+001F
 *   must be escaped.
 * What else a terminal may obey (DEL, C1, bidirectional controls) is escaped as well; a byte that is no
 * UTF-8 becomes U+FFFD.
 */
static void
write_text(FILE *out, const char *text)
{
	size_t left = strlen(text), n;
	uint32_t cp;

	putc('"', out);
	for (; left > 0; text += n, left -= n) {
		n = str_char(text, left, &cp);
		if (n == 0) {
			n = 1;
			fputs("\\ufffd", out);
		} else if (cp == '"' || cp == '\\') {
			putc('\\', out);
			putc((int)cp, out);
		} else if (!str_printable(cp)) { /* none of these is above U+FFFF */
			fprintf(out, "\\u%04" PRIx32, cp);
		} else {
			fwrite(text, 1, n, out);
		}
	}
	putc('"', out);
}

static void
write_key(struct json *j, const char *key)
{
	if (j->comma)
		putc(',', j->out);
	j->comma = true;
	if (key == NULL)
		return;
	write_text(j->out, key);
	putc(':', j->out);
}

void
json_open(struct json *j, const char *key, char bracket)
{
	write_key(j, key);
	putc(bracket, j->out);
	j->comma = false;
}

void
json_close(struct json *j, char bracket)
{
	putc(bracket, j->out);
	j->comma = true;
}

void
json_string(struct json *j, const char *key, const char *text)
{
	write_key(j, key);
	if (text != NULL)
		write_text(j->out, text);
	else
		fputs("null", j->out);
}

void
json_number(struct json *j, const char *key, int64_t n)
{
	write_key(j, key);
	fprintf(j->out, "%" PRId64, n);
}

void
json_time(struct json *j, const char *key, int64_t at)
{
	if (at == 0 || at == INT64_MAX)
		json_null(j, key);
	else
		json_number(j, key, at);
}

void
json_bool(struct json *j, const char *key, bool yes)
{
	write_key(j, key);
	fputs(yes ? "true" : "false", j->out);
}

void
json_null(struct json *j, const char *key)
{
	write_key(j, key);
	fputs("null", j->out);
}
