/* backoff.c: when to try again. */
#include "backoff.h"

int64_t
backoff_next(int64_t last_s, int64_t min_s, int64_t max_s)
{
	int64_t next = min_s;

	if (last_s > max_s / 2)
		next = max_s;
	else if (last_s > 0 && 2 * last_s > min_s)
		next = 2 * last_s;
	if (next > max_s)
		next = max_s;
	return next > 0 ? next : 1;
}

int64_t
backoff_spread(int64_t interval_s, uint32_t random)
{
	int64_t eighth = interval_s / 8;
	int64_t due;

	if (interval_s < 1)
		return 1;
	due = interval_s - eighth + (int64_t)random % (2 * eighth + 1);
	return due > 0 ? due : 1;
}

bool
backoff_expired(int64_t submitted, int64_t now, int64_t expire_s)
{
	return now >= submitted && now - submitted >= expire_s;
}
