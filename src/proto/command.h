/*
 * command.h: the commands we send (RFC 5321 4.1), written into a buffer. Pure.
 *
 * This is the last gate before the wire: whatever submission, spool or configuration let through,
 * no argument gets past here that could end the line, end the path, or start another command.
 */
#ifndef PROTO_COMMAND_H
#define PROTO_COMMAND_H

#include <stdint.h>

#include "base/buf.h"
#include "proto/address.h"

/*
 * Whether a path may stand between < and >: printable ASCII, at most ADDRESS_MAX bytes, space and
 * angle brackets only in a quoted string, which is closed. "" is fine (the null reverse-path).
 */
enum address_error command_path(const char *path);

/* "EHLO", "HELO", "LHLO": name has passed smtp_helo_ok(). */
void command_hello(struct buf *out, const char *verb, const char *name);
/* size 0: no SIZE parameter. The path has passed command_path(), here and below. */
void command_mail(struct buf *out, const char *reverse_path, uint64_t size, bool eightbitmime);
void command_rcpt(struct buf *out, const char *forward_path);
/* The whole message in one chunk, which follows. */
void command_bdat(struct buf *out, uint64_t size);
void command_plain(struct buf *out, const char *verb); /* DATA, RSET, QUIT */

#endif
