/*
 * hosts.c: names in a hosts(5) file.
 *
 *   line = address 1*( blanks name ) [ "#" comment ]
 */
#include "hosts.h"

#include <arpa/inet.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

static const char blanks[] = " \t\r\n";

static bool
parse_address(const char *text, struct in6_addr *out)
{
	struct in_addr v4;

	if (inet_pton(AF_INET6, text, out) == 1)
		return true;
	if (inet_pton(AF_INET, text, &v4) != 1)
		return false;
	memset(out, 0, sizeof(*out));
	out->s6_addr[10] = out->s6_addr[11] = 0xff;
	memcpy(out->s6_addr + 12, &v4, 4);
	return true;
}

/* Cuts the next word off *p; NULL at the end. */
static char *
next_word(char **p)
{
	char *word = *p + strspn(*p, blanks);

	if (*word == '\0')
		return NULL;
	*p = word + strcspn(word, blanks);
	if (**p != '\0')
		*(*p)++ = '\0';
	return word;
}

static bool
line_names(char *line, const char *name, struct in6_addr *address)
{
	char *word;

	line[strcspn(line, "#")] = '\0';
	if ((word = next_word(&line)) == NULL || !parse_address(word, address))
		return false;
	while ((word = next_word(&line)) != NULL)
		if (str_eqi(word, name))
			return true;
	return false;
}

size_t
hosts_lookup(const char *path, const char *name, struct in6_addr **out)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t n = 0, cap = 0, size = 0;

	if (f == NULL)
		return 0;
	while (getline(&line, &size, f) >= 0) {
		struct in6_addr a;

		if (!line_names(line, name, &a))
			continue;
		if (n == 0)
			*out = NULL;
		*out = xgrow(n == 0 ? NULL : *out, n, &cap, sizeof(a));
		(*out)[n++] = a;
	}
	free(line);
	fclose(f);
	return n;
}
