/*
 * address.h: addresses in message headers (RFC 5322 3.4) and in envelopes (RFC 5321 4.1.2). Pure.
 *
 * A mailbox is kept as "local-part@domain" without angle brackets, the local part in the form it is
 * sent in (quoted only where it must be). "" is the null reverse-path.
 */
#ifndef PROTO_ADDRESS_H
#define PROTO_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { ADDRESS_MAX = 1024 }; /* longest mailbox we take; RFC 5321 4.5.3.1 asks for 64 + 1 + 255 */

enum address_error {
	ADDRESS_OK,
	ADDRESS_SYNTAX, /* 5.1.3 */
	ADDRESS_CONTROL, /* CR, LF, NUL or another control character: 5.1.3 */
	ADDRESS_TOO_LONG, /* all of it, the domain (255) or one of its labels (63): 5.1.3 */
	ADDRESS_NONASCII, /* 5.6.7, until SMTPUTF8 */
};
const char *address_error_text(enum address_error e);

/*
 * Checks one envelope address, "local@domain" or "local" alone when unqualified_ok. Domain: letters,
 * digits, hyphen, underscore, dots without empty labels, or an address literal in []. No trailing
 * dot. The null reverse-path is not an address: SYNTAX.
 */
enum address_error address_check(const char *mailbox, bool unqualified_ok);

/* RFC 5322 3.2.3: what words may be made of without quotes. */
bool address_is_atext(char c);
bool address_is_dot_atom(const char *s, size_t n);

/* The domain of a checked mailbox, NULL if it has none: what follows the last unquoted @. */
const char *address_domain(const char *mailbox);

/*
 * Walks an RFC 5322 address-list: mailboxes, groups, comments, folded lines, quoted local parts,
 * obsolete routes (dropped), empty elements. For each mailbox fn gets the envelope form (which
 * address_check() takes, perhaps unqualified), or the raw text, cleaned, and an error; either is
 * valid during the call only. Returns how many mailboxes were given. One pass, whatever the text.
 */
typedef void address_fn(void *ctx, const char *mailbox, enum address_error e);
size_t address_list(const char *text, size_t n, address_fn *fn, void *ctx);

/*
 * The same, and where it stands: text[from] to text[to - 1] is the address without name, angle brackets, route
 * and what is around it; both are 0 with an error.
 */
typedef void address_place_fn(
    void *ctx, const char *mailbox, enum address_error e, size_t from, size_t to);
size_t address_list_places(const char *text, size_t n, address_place_fn *fn, void *ctx);

/* One argument of a command line: the same, but nothing folds there: a line break in it is CONTROL. */
size_t address_argument(const char *arg, address_fn *fn, void *ctx);

/*
 * Writes a display name as it may stand in a header: atoms bare, else a quoted-string, else
 * (non-ASCII) RFC 2047 encoded words, each at most 75 characters and on its own line (CRLF SP
 * between them). Control characters are dropped; of nothing there comes nothing.
 */
void address_phrase(struct buf *out, const char *name);

#endif
