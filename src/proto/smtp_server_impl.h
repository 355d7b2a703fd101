/*
 * smtp_server_impl.h: what the files of the SMTP server share.
 */
#ifndef PROTO_SMTP_SERVER_IMPL_H
#define PROTO_SMTP_SERVER_IMPL_H

#include "proto/smtp_server.h"

/* A reply of one line; enhanced (RFC 3463) NULL: none. */
void smtp_server_say(struct smtp_server *s, int code, const char *enhanced, const char *fmt, ...)
    LOG_PRINTF(4, 5);
/* The same, for what no client of good faith does often. */
void smtp_server_fault(struct smtp_server *s, int code, const char *enhanced, const char *text);

/* smtp_server_mail.c: what is behind the verbs. */
void smtp_server_mail(struct smtp_server *s, const char *args);
void smtp_server_rcpt(struct smtp_server *s, const char *args);

#endif
