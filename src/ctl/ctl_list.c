/* ctl_list.c: what is queued, as a table or as JSON. */
#include <sysexits.h>

#include "ctl/ctl.h"

int
ctl_list(struct ctl *c, int argc, char **argv)
{
	const struct ctl_option options[] = {{"--json", &c->json, NULL}, {NULL, NULL, NULL}};

	if (ctl_options(c, options, &argc, argv) != EX_OK)
		return EX_USAGE;
	return EX_OK;
}
