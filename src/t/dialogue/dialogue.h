/*
 * dialogue.h: runs one script against the SMTP engine. A script says what the server sends and
 * what the client must answer, and is played in pieces of 1, 4, 16, 64 and 4096 bytes:
 *
 *	# a comment
 *	option lmtp | no-pipelining | no-chunking | not-behind-dot | loop-ok | helo NAME
 *	option ahead N			transactions in flight at most
 *	option tls may|must | secured | auth-in-clear
 *	option auth USER SECRET [token] [external] [mechanism NAME] [host NAME PORT]	-: none
 *	option exporter|end-point|nonce BASE64		TLS channel bindings; SCRAM's 18 random bytes
 *	mail SENDER RCPT[,RCPT...] [8bit] [last-hop] [foreign] [fails | short] [size N] [= BODY]
 *	S: TEXT		the server sends this line; lines in a row go out in one write
 *	S> TEXT		the same without CRLF behind it
 *	C: TEXT		the client's next line
 *	E: EVENT	the engine's next event, see below; E? EVENT: it may come or not
 *	close WHY | timeout | quit | stop
 *	secured | not-secured WHY	how the handshake went
 *	stall N		from now on only N more bytes of the client's output are written
 *	flow		all of it is written again
 *	patience N	how long the server may take now
 *	doing TEXT	what the engine says it is doing
 *	wants yes|no	whether more mail may be handed over now
 *	traced LINE	the trace has this line, "> AUTH PLAIN ***"
 *
 * A foreign mail is not known to have CRLF lines. \r \n \\ \xNN are bytes in S, C and BODY. `mail` waits until the engine wants it; it is called
 * m1, m2, ... in that order, SENDER <> is the null sender. Before the server does anything more,
 * every line and event that came so far must have been named. In no script may the secret, or a line of
 * the client's that belongs to AUTH, be in trace or event. Events:
 *
 *	starttls
 *	ready
 *	settled mN RCPT FATE SCOPE VERDICT	FATE sent retry fail, SCOPE rcpt msg host,
 *	done mN [again | FATE SCOPE VERDICT]	VERDICT: code, enhanced code, text
 *	close [benign] [behind-dot] [tls-failed] [chunking-failed] FATE SCOPE VERDICT
 *
 * with " [DOING]" behind the verdict or not.
 */
#ifndef T_DIALOGUE_DIALOGUE_H
#define T_DIALOGUE_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>

/* Plays it in pieces of `chunk` bytes. False: why says in one line what went wrong. */
bool dialogue_run(const char *path, size_t chunk, char *why, size_t size);

#endif
