/*
 * smtpd.h: submission over SMTP, on standard input and output (-bs).
 *
 * The client is the program that has started us, or whoever is at the other end of the socket that standard
 * input is (systemd's socket units, inetd). What it sends is the mail of the process' own user, as with
 * every submission: of a client on a loopback address nothing else is known. One on any other address
 * gets no service: mail is taken from this machine alone.
 */
#ifndef SMTPD_H
#define SMTPD_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>

#include "program.h"

/* When stderr is the client's socket, too: what goes there is not for him. */
void smtpd_shield_stderr(void);

/*
 * One conversation. called is what we were called by. What has been answered with 250 is queued in any case;
 * the exit status is for those who look at nothing else. EX_OK: the client has said QUIT or has
 * gone, and the last message, if there was one, was taken; EX_TEMPFAIL: he has gone, or was silent too
 * long, or we were stopped, when something was under way; EX_PROTOCOL: he made too many mistakes;
 * EX_NOPERM: he is not of this machine; EX_IOERR: nothing can be read or written; or why the last message
 * was not taken.
 */
int smtpd_session(struct program *p, const char *called);

/* Whether somebody with that address is on this machine. text: the address as RFC 5321 4.1.3 writes it; ""
 * for a socket that has none. */
bool smtpd_is_local(const struct sockaddr *sa, char *text, size_t size);

#endif
