/*
 * dns_msg_own.h: dns_msg.c once more, as own_read() and so on, built as it is on systems without
 * ns_parserr(), with our own walk through the sections. So tests can hold one against the other.
 */
#ifndef T_LIB_DNS_MSG_OWN_H
#define T_LIB_DNS_MSG_OWN_H

#include "dns/dns_msg.h"

bool own_name_ok(const char *name);
int own_query(uint8_t *dst, const char *name, uint16_t type, uint16_t id, bool edns);
bool own_matches(const uint8_t *query, size_t qlen, const uint8_t *msg, size_t len);
void own_read(
    const uint8_t *msg, size_t len, const char *name, uint16_t type, struct dns_reply *reply);
void own_reply_free(struct dns_reply *reply);
const char *own_rcode_text(unsigned rcode, char *dst, size_t size);

#undef HAVE_NS_PARSE
#define dns_msg_name_ok own_name_ok
#define dns_msg_query own_query
#define dns_msg_matches own_matches
#define dns_msg_read own_read
#define dns_reply_free own_reply_free
#define dns_msg_rcode_text own_rcode_text
#include "dns/dns_msg.c"
#undef dns_msg_name_ok
#undef dns_msg_query
#undef dns_msg_matches
#undef dns_msg_read
#undef dns_reply_free
#undef dns_msg_rcode_text

#endif
