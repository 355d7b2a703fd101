/*
 * address.c: what an address in an envelope may be, and how a display name is written.
 */
#include "proto/address.h"

#include <string.h>

#include "base/str.h"

enum { LABEL_MAX = 63, DOMAIN_MAX = 255 }; /* RFC 1035 2.3.4, RFC 5321 4.5.3.1.2 */

const char *
address_error_text(enum address_error e)
{
	static const char *const text[] = {
	    [ADDRESS_OK] = "ok",
	    [ADDRESS_SYNTAX] = "not a mail address",
	    [ADDRESS_CONTROL] = "control character in a mail address",
	    [ADDRESS_TOO_LONG] = "mail address too long",
	    [ADDRESS_NONASCII] = "mail address with non-ASCII characters is not supported yet",
	};

	return text[e];
}

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool
address_is_atext(char c)
{
	return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool
is_eightbit(char c)
{
	return (unsigned char)c >= 0x80;
}

bool
address_is_dot_atom(const char *s, size_t n)
{
	bool dot = true;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.' ? dot : !address_is_atext(s[i]))
			return false;
		dot = s[i] == '.';
	}
	return !dot;
}

/* --- the check --- */

/* Quoted-string of RFC 5321 4.1.2: only printable ASCII, a backslash before any of it. */
static size_t
quoted_length(const char *s)
{
	size_t i = 1;

	for (; s[i] != '"'; i++) {
		if (s[i] == '\\')
			i++;
		if (s[i] == '\0')
			return 0;
	}
	return i + 1;
}

static enum address_error
check_literal(const char *s)
{
	size_t n = strlen(s);

	if (n < 3 || s[n - 1] != ']')
		return ADDRESS_SYNTAX;
	for (size_t i = 1; i < n - 1; i++)
		if (strchr("[]\\@<> ", s[i]) != NULL)
			return ADDRESS_SYNTAX;
	return n > DOMAIN_MAX ? ADDRESS_TOO_LONG : ADDRESS_OK;
}

/* The underscore is in no RFC's domain but in many people's. */
static enum address_error
check_domain(const char *s)
{
	size_t label = 0, i;

	if (s[0] == '[')
		return check_literal(s);
	for (i = 0; s[i] != '\0'; i++) {
		if (s[i] == '.') {
			if (label == 0)
				return ADDRESS_SYNTAX;
			label = 0;
		} else if (is_alnum(s[i]) || s[i] == '-' || s[i] == '_') {
			if (++label > LABEL_MAX)
				return ADDRESS_TOO_LONG;
		} else {
			return ADDRESS_SYNTAX;
		}
	}
	if (label == 0)
		return ADDRESS_SYNTAX;
	return i > DOMAIN_MAX ? ADDRESS_TOO_LONG : ADDRESS_OK;
}

enum address_error
address_check(const char *mailbox, bool unqualified_ok)
{
	enum address_error eightbit = ADDRESS_OK;
	size_t n = 0;

	for (; mailbox[n] != '\0'; n++) {
		if (is_control(mailbox[n]))
			return ADDRESS_CONTROL;
		if (is_eightbit(mailbox[n]))
			eightbit = ADDRESS_NONASCII;
		if (n >= ADDRESS_MAX)
			return ADDRESS_TOO_LONG;
	}
	if (eightbit != ADDRESS_OK)
		return eightbit;
	if (mailbox[0] == '"') {
		n = quoted_length(mailbox);
		if (n == 0)
			return ADDRESS_SYNTAX;
	} else {
		n = strcspn(mailbox, "@");
		if (!address_is_dot_atom(mailbox, n))
			return ADDRESS_SYNTAX;
	}
	if (mailbox[n] == '\0')
		return unqualified_ok ? ADDRESS_OK : ADDRESS_SYNTAX;
	return mailbox[n] == '@' ? check_domain(mailbox + n + 1) : ADDRESS_SYNTAX;
}

const char *
address_domain(const char *mailbox)
{
	const char *at = NULL;
	bool quoted = false;

	for (const char *p = mailbox; *p != '\0'; p++) {
		if (quoted && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (*p == '@' && !quoted)
			at = p;
	}
	return at == NULL ? NULL : at + 1;
}

/* --- display names --- */

/* Atoms with single spaces between them. What looks like an encoded word would be read as one. */
static bool
is_bare_phrase(const char *s, size_t n)
{
	bool space = true;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == ' ' ? space : !address_is_atext(s[i]))
			return false;
		if (s[i] == '=' && s[i + 1] == '?')
			return false;
		space = s[i] == ' ';
	}
	return !space;
}

/* Bytes of the UTF-8 character at s, which str_clean() has passed. */
static size_t
char_length(const char *s)
{
	size_t n = 1;

	while (is_eightbit(s[0]) && ((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* RFC 2047 4.2 and 5 (3): the Q encoding as it may stand in a phrase. Characters stay whole. */
static void
encode_words(struct buf *out, const char *s)
{
	enum {
		ROOM = 75 -
		       (int)sizeof("=?utf-8?q?"
				   "?=") +
		       1
	};
	size_t room = 0, n;
	bool plain;

	for (const char *p = s; *p != '\0'; p += n) {
		n = char_length(p);
		plain = is_alnum(*p) || *p == ' ';
		if (room < (plain ? 1 : 3 * n)) {
			buf_adds(out, p == s ? "=?utf-8?q?" : "?=\r\n =?utf-8?q?");
			room = ROOM;
		}
		room -= plain ? 1 : 3 * n;
		for (size_t i = 0; i < n; i++) {
			if (plain)
				buf_addc(out, *p == ' ' ? '_' : *p);
			else
				buf_addf(out, "=%02X", (unsigned)(unsigned char)p[i]);
		}
	}
	buf_adds(out, "?=");
}

void
address_phrase(struct buf *out, const char *name)
{
	enum { NAME_MAX_BYTES = 512 };
	char stripped[NAME_MAX_BYTES + 1], s[NAME_MAX_BYTES + 1];
	bool ascii = true;
	size_t n = 0;

	for (; *name != '\0' && n < NAME_MAX_BYTES; name++)
		if (!is_control(*name))
			stripped[n++] = *name;
	str_clean(s, sizeof(s), stripped, n);
	n = strlen(s);
	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++)
		ascii = ascii && !is_eightbit(s[i]);
	if (!ascii) {
		encode_words(out, s);
	} else if (is_bare_phrase(s, n)) {
		buf_add(out, s, n);
	} else {
		buf_addc(out, '"');
		for (size_t i = 0; i < n; i++) {
			if (s[i] == '"' || s[i] == '\\')
				buf_addc(out, '\\');
			buf_addc(out, s[i]);
		}
		buf_addc(out, '"');
	}
}
