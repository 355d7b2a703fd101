/*
 * config_value.h: what the values in sortie.conf may look like. Pure.
 *
 * Those with a why write a line into it that says what is wrong and what to write, and return false.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

bool config_value_domain(const char *s);
bool config_value_port(const char *s, uint16_t *port);

/* A URL into kind, host (allocated) and port. */
bool config_value_target(const char *url, struct target *t, char *why, size_t whysize);

/* What dns_new() takes: "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53". */
bool config_value_nameserver(const char *s);

/* "192.0.2.7", "192.0.2.0/24", "2001:db8::/32" */
bool config_value_net(const char *s, struct net *net);

#endif
