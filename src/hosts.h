/*
 * hosts.h: names in a hosts(5) file, for hosts named by the configuration only.
 */
#ifndef HOSTS_H
#define HOSTS_H

#include <netinet/in.h>

#include <stddef.h>

/*
 * The addresses of name in the file at path (IPv4 as mapped), in the order of its lines. *out is
 * allocated when the result is not 0; free(3) it. A file that cannot be read has no names.
 */
size_t hosts_lookup(const char *path, const char *name, struct in6_addr **out);

#endif
