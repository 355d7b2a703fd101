/* targets.c: the fuzz targets by name. */
#include <string.h>

#include "fuzz.h"

static const struct {
	const char *name;
	fuzz_fn *fn;
} targets[] = {
    {"address", fuzz_address},
    {"aliases", fuzz_aliases},
    {"body", fuzz_body},
    {"config", fuzz_config},
    {"dns_msg", fuzz_dns_msg},
    {"ehlo", fuzz_ehlo},
    {"envelope", fuzz_envelope},
    {"forward", fuzz_forward},
    {"header", fuzz_header},
    {"reply", fuzz_reply},
    {"resolvconf", fuzz_resolvconf},
    {"sasl", fuzz_sasl},
    {"smtp", fuzz_smtp},
    {"smtp_server", fuzz_smtp_server},
};

fuzz_fn *
fuzz_target(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;

	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (strcmp(targets[i].name, name) == 0)
			return targets[i].fn;
	return NULL;
}
