/*
 * fuzz_config.c: a configuration is taken, or refused with one clean line that names the file.
 */
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/str.h"
#include "config.h"
#include "fuzz.h"

static void
check_targets(const struct targets *ts)
{
	for (size_t i = 0; i < ts->n; i++)
		if (ts->v[i].host == NULL || ts->v[i].host[0] == '\0' || ts->v[i].line < 1)
			bug("a target that leads nowhere");
}

void
fuzz_config(const uint8_t *data, size_t size)
{
	struct config c;
	char why[300] = "";
	int rc;

	config_init(&c);
	rc = config_parse(&c, "x.conf", (const char *)data, size, why, sizeof(why));
	if (rc != 0 && rc != EX_CONFIG)
		bug("an exit code that is none of ours");
	if (rc != 0 && (!str_starts(why, "x.conf:") || !str_is_clean(why, strlen(why))))
		bug("no clean line that names the file");
	if (c.retry_min_s < 1 || c.expire_s < 1 || c.sessions < 1 || c.recipients < 1 || c.port < 1)
		bug("a value out of bounds");
	check_targets(&c.relays);
	check_targets(&c.fallbacks);
	check_targets(&c.routes);
	(void)config_hostname(&c);
	config_free(&c);
}
