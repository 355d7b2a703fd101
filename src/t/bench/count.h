/*
 * count.h: what the sink has counted so far, in the file that --count names: this struct as it is
 * in memory, mapped shared, so that whoever maps it reads it while the sink works, at no cost to
 * either. All are counted from 0 when the sink starts. Times are CLOCK_MONOTONIC, 0: never.
 */
#ifndef T_BENCH_COUNT_H
#define T_BENCH_COUNT_H

#include <stdint.h>

struct count {
	uint64_t messages; /* accepted: the reply is on its way */
	uint64_t good; /* of these, at addresses that are neither tarpits nor greylist */
	uint64_t recipients; /* of accepted messages */
	uint64_t bytes; /* of their content */
	uint64_t connections, open, peak; /* ever, now, most at once */
	uint64_t full, resumed, failed; /* handshakes */
	uint64_t commands; /* lines, and BDAT's chunks none */
	uint64_t
	    groups; /* of replies that went out together: round trips, of a client that waits */
	uint64_t held; /* connections whose first MAIL waits (--hold) */
	int64_t first_ns; /* the first connection */
	int64_t mail_ns; /* the first MAIL */
	int64_t last_ns; /* the last message accepted */
	int64_t good_ns; /* the last of the good */
};

#endif
