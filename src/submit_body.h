/*
 * submit_body.h: writes the body file of a draft and learns on the way what delivery would have to
 * scan it for.
 *
 * What is added has CRLF line ends already. The first error sticks, what comes after it is dropped:
 * add freely, ask once.
 */
#ifndef SUBMIT_BODY_H
#define SUBMIT_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SUBMIT_LINE_MAX = 998 }; /* RFC 5322 2.1.1, without CRLF */

struct submit_body {
	int fd;
	int error; /* errno of the first failure, 0: none */
	uint64_t size;
	uint64_t max; /* 0: none; past it nothing more is written */
	bool too_large;
	bool eightbit; /* has bytes above 127 */
	bool dots; /* some line starts with a dot */
	bool line_open; /* the last line has no end yet */
	size_t longest; /* longest line so far, without CRLF */
	size_t line; /* bytes in the open line */
	size_t nbuf;
	char buf[64 * 1024];
};

void submit_body_init(struct submit_body *b, int fd, uint64_t max);
void submit_body_add(struct submit_body *b, const char *data, size_t n);
void submit_body_flush(struct submit_body *b);
bool submit_body_failed(const struct submit_body *b);

#endif
