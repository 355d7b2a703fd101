#include "origin.h"

#include <stdint.h>
#include <string.h>

#include "base/str.h"

/* Report n; or kind 'f', what .forward of recipient n had made. */
static bool
has_recorded(const struct envelope *e, char kind, uint64_t n)
{
	if (kind == 'r')
		return e->reported >= n;
	return n >= e->nrcpts || e->rcpts[n].status == RCPT_DELIVERED ||
	       e->rcpts[n].status == RCPT_FAILED;
}

bool
origin_knows(struct spool *sp, const char *id)
{
	const char *suffix = strrchr(id, '.');
	char original[ENVELOPE_ID_MAX + 1], why[200];
	struct envelope e;
	enum spool_load got;
	uint64_t n;
	off_t size;
	bool knows;

	if (suffix == NULL || (suffix[1] != 'r' && suffix[1] != 'f') ||
	    !str_u64(suffix + 2, UINT32_MAX, &n))
		return true;
	str_copy(original, sizeof(original), id);
	original[suffix - id] = '\0';
	envelope_init(&e);
	got = spool_load(sp, original, -1, &e, &size, why, sizeof(why));
	knows = got == SPOOL_LOADED ? has_recorded(&e, suffix[1], n) : got != SPOOL_UNREADABLE;
	envelope_free(&e);
	return knows;
}
