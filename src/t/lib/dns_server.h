/*
 * dns_server.h: dns_fake's answers behind an address of net_fake, over UDP and TCP.
 */
#ifndef T_LIB_DNS_SERVER_H
#define T_LIB_DNS_SERVER_H

#include <stdint.h>

#include "dns_fake.h"

/* Serves the zone at address; it stays the caller's and may change while served. Every answer
 * takes latency_ms. */
void dns_server(const char *address, struct dns_fake *zone, int64_t latency_ms);

#endif
