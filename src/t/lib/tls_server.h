/*
 * tls_server.h: the server's side of TLS, for scripted servers: it owns no loop and no socket, and
 * is asked again when its socket is readable. Nothing of the program's is in it.
 */
#ifndef T_LIB_TLS_SERVER_H
#define T_LIB_TLS_SERVER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

struct tls_server_options {
	const char *pem; /* certificate, chain and key, as certs_make() writes them */
	int lowest, highest; /* 0x0301 is TLS 1.0, 0x0304 is TLS 1.3; 0: OpenSSL's */
	const char *client_ca; /* a client certificate of this CA is demanded; NULL: none */
	bool no_tickets;
};

struct tls_server;
struct tls_peer; /* one connection */

struct tls_server *tls_server_new(const struct tls_server_options *o);
void tls_server_free(struct tls_server **s);

struct tls_peer *tls_peer_new(struct tls_server *s, int fd); /* fd: nonblocking, the caller's */
void tls_peer_free(struct tls_peer **p);

int tls_peer_accept(struct tls_peer *p); /* the handshake: 1 done, 0 later, -1 failed */
/* As recv(2) and send(2) on a nonblocking socket; -1 with EPROTO: TLS is broken. */
ssize_t tls_peer_recv(struct tls_peer *p, void *buf, size_t n);
ssize_t tls_peer_send(struct tls_peer *p, const void *buf, size_t n);

void tls_peer_close_notify(struct tls_peer *p);
bool tls_peer_saw_close_notify(const struct tls_peer *p);
bool tls_peer_resumed(const struct tls_peer *p);
const char *tls_peer_sni(const struct tls_peer *p); /* "": none was sent */
const char *tls_peer_error(const struct tls_peer *p); /* OpenSSL's last reason; "" */
size_t tls_peer_exporter(struct tls_peer *p, unsigned char *buf, size_t n); /* RFC 9266 */
/* TLS 1.3: another ticket; new keys, and the client is to answer with its own. */
void tls_peer_ticket(struct tls_peer *p);
void tls_peer_key_update(struct tls_peer *p);
/* TLS 1.2: asks for a new handshake. */
void tls_peer_renegotiate(struct tls_peer *p);
/* TLS 1.3, no_tickets, and nothing else sent after the handshake: a record of no bytes, made by
 * hand because OpenSSL sends none. */
void tls_peer_empty_record(struct tls_peer *p);

#endif
