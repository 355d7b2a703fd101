/*
 * smtp_patience.c: how long a server may take, in seconds: RFC 5321 4.5.3.2 where it says something.
 * Apart from the engine, because the configuration needs these and no engine.
 */
#include "proto/smtp.h"

const int smtp_default_patience_s[SMTP_NWAITS] = {
    [SMTP_WAIT_GREETING] = 300,
    [SMTP_WAIT_EHLO] = 300,
    [SMTP_WAIT_MAIL] = 300,
    [SMTP_WAIT_RCPT] = 300,
    [SMTP_WAIT_DATA] = 120,
    [SMTP_WAIT_BLOCK] = 180,
    [SMTP_WAIT_DOT] = 600,
    [SMTP_WAIT_RSET] = 20,
    [SMTP_WAIT_QUIT] = 20,
    [SMTP_WAIT_STARTTLS] = 120,
    [SMTP_WAIT_AUTH] = 120,
};
