/*
 * submit_address.h: addresses in the fields of a header, made good where they stand. Pure.
 *
 * RFC 6409 8 lets a submission agent do it: what has no domain gets one, for servers refuse such mail, and
 * senders get the address that they are known by outside (masquerade.h). Of a field nothing but the
 * addresses changes, and nothing at all if one of them is none. A message that is signed stays as it is.
 */
#ifndef SUBMIT_ADDRESS_H
#define SUBMIT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "config.h"

struct submit_names {
	const struct config *config; /* NULL: no masquerading */
	const char *hostname; /* ours, NULL: none */
	const char *domain; /* completes what has none */
};

/* The header (submit_header.h) to out. False, and nothing in out: there is nothing to change. */
bool submit_address_rewrite(
    struct buf *out, const char *text, size_t n, const struct submit_names *names);

#endif
