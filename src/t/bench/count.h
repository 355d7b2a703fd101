/*
 * count.h: what the sink has counted, in a file that it keeps mapped (sink --count FILE) and that others map
 * to watch it, which costs neither of them a system call.
 *
 * The file is as large as the structure and zero before the first connection. One process writes,
 * anybody reads; each number is whole by itself, several together may be a moment apart. Times are
 * CLOCK_MONOTONIC's, in nanoseconds; 0: it has not happened.
 */
#ifndef T_BENCH_COUNT_H
#define T_BENCH_COUNT_H

#include <stdatomic.h>
#include <stdint.h>

struct sink_count {
	_Atomic uint64_t messages; /* the final dot, or the last BDAT, was answered with 250 */
	_Atomic uint64_t recipients; /* of those messages */
	_Atomic uint64_t last_ns; /* when the last of them was taken; set before messages is */
	_Atomic uint64_t first_mail_ns; /* when the first MAIL was read */
	_Atomic uint64_t connections; /* over all */
	_Atomic uint64_t peak; /* of connections open at once */
	_Atomic uint64_t handshakes; /* of TLS, the resumed ones among them */
	_Atomic uint64_t resumed;
	_Atomic uint64_t groups; /* of replies: round trips, when each waited for the one before */
	_Atomic uint64_t refused; /* recipients refused for good or for now */
	_Atomic uint64_t spare[6];
};

#endif
