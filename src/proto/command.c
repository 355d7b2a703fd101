/* command.c: the commands we send. */
#include "proto/command.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "proto/smtp.h"

enum { HELO_MAX = 255 }; /* RFC 5321 4.5.3.1.2 */

enum address_error
command_path(const char *path)
{
	bool quoted = false;
	const unsigned char *s = (const unsigned char *)path;

	if (strlen(path) > ADDRESS_MAX)
		return ADDRESS_TOO_LONG;
	for (size_t i = 0; s[i] != '\0'; i++) {
		if (s[i] >= 0x80)
			return ADDRESS_NONASCII;
		if (s[i] < ' ' || s[i] == 0x7f)
			return ADDRESS_CONTROL;
		if (s[i] == '"')
			quoted = !quoted;
		else if (!quoted && (s[i] == ' ' || s[i] == '<' || s[i] == '>'))
			return ADDRESS_SYNTAX;
		else if (quoted && s[i] == '\\' && s[i + 1] >= ' ' && s[i + 1] < 0x7f)
			i++;
	}
	return quoted ? ADDRESS_SYNTAX : ADDRESS_OK;
}

/* Printable ASCII without space: enough that one argument stays one argument. */
bool
smtp_helo_ok(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > HELO_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~' || strchr("<>()\",;@\\", s[i]) != NULL)
			return false;
	return true;
}

void
command_hello(struct buf *out, const char *verb, const char *name)
{
	if (!smtp_helo_ok(name))
		bug("a HELO name that was not checked");
	buf_addf(out, "%s %s\r\n", verb, name);
}

static void
add_path(struct buf *out, const char *verb, const char *path)
{
	if (command_path(path) != ADDRESS_OK)
		bug("a path that was not checked");
	buf_addf(out, "%s:<%s>", verb, path);
}

void
command_mail(struct buf *out, const char *reverse_path, uint64_t size, bool eightbitmime)
{
	add_path(out, "MAIL FROM", reverse_path);
	if (size > 0)
		buf_addf(out, " SIZE=%" PRIu64, size);
	if (eightbitmime)
		buf_adds(out, " BODY=8BITMIME");
	buf_adds(out, "\r\n");
}

void
command_rcpt(struct buf *out, const char *forward_path)
{
	add_path(out, "RCPT TO", forward_path);
	buf_adds(out, "\r\n");
}

/* bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CR LF (RFC 3030 2) */
void
command_bdat(struct buf *out, uint64_t size)
{
	buf_addf(out, "BDAT %" PRIu64 " LAST\r\n", size);
}

void
command_plain(struct buf *out, const char *verb)
{
	buf_addf(out, "%s\r\n", verb);
}
