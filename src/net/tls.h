/*
 * tls.h: TLS for connections (conn.h), by OpenSSL, whose <openssl/ssl.h> stays behind tls_impl.h.
 *
 * One struct tls a run holds the CA store, a client certificate, and the sessions that can be
 * resumed. Nothing in the environment matters: not SSL_CERT_FILE, not OPENSSL_CONF. Nonblocking;
 * only conn.c calls what is below "for conn.c".
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

enum tls_level {
	TLS_NONE, /* never */
	TLS_MAY, /* when offered, whoever the server is; in the clear otherwise */
	TLS_ENCRYPT, /* always, whoever the server is */
	TLS_VERIFY, /* always, and the chain and the name must be right (RFC 9525) */
	TLS_FINGERPRINT, /* always, and the certificate or its public key must be one of those listed */
};

struct tls_policy {
	enum tls_level level;
	/* "sha256:" and 64 hex digits (colons between them are fine), of certificate or public key */
	char **fingerprints;
	size_t nfingerprints;
	bool old_versions; /* TLS 1.0 and 1.1 too: only by explicit setting */
};

struct tls_options {
	const char *ca; /* a file of PEM certificates, or a hashed directory; NULL: the system's */
	/* Client certificate; key NULL: in the same file; cert NULL: none. */
	const char *cert, *key;
};

struct tls_facts { /* what is known of a handshake; texts are clean */
	char protocol[16], cipher[64]; /* "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
	bool trusted; /* the chain leads to a CA that we know */
	/* ... and the name is right; or (TLS_FINGERPRINT) it is one of those listed */
	bool verified;
	bool resumed;
	char subject[256], issuer[256], fingerprint[80]; /* of the leaf; "sha256:..." */
	/* Why it failed, or why it is not verified, or what broke it; "": no reason. */
	char why[256];
};

struct tls;

/* NULL and a line in why: the CA file, certificate or key that was named cannot be used. */
struct tls *tls_new(const struct tls_options *o, char *why, size_t whysize);
void tls_free(struct tls **t); /* after the last connection that uses it */

/* Whether there is any CA certificate to verify with; false: where they were looked for, in why.
 * The system's are not read before this or the first handshake needs them. */
bool tls_has_ca(struct tls *t, char *why, size_t whysize);
/* Where the system's are looked for, in this order; NULL: there are no more. */
const char *tls_ca_place(size_t i);

/*
 * Sessions to resume (RFC 8446 2.2), kept by key: the server's name and port, the policy and what
 * it verifies with, so that none is ever used under a stricter policy than it was made under. load
 * reads a file that save has written, from where its descriptor stands; what does not parse is
 * dropped. save writes them all to an empty file (mode 0600 is the caller's: whoever has one of
 * them can read what it protects).
 */
void tls_sessions_load(struct tls *t, int fd);
int tls_sessions_save(struct tls *t, int fd); /* 0, or -1 and errno */
bool tls_sessions_changed(const struct tls *t); /* since load or save */

/* --- for conn.c --- */

struct tls_conn;

/*
 * A handshake to begin on fd, which stays the caller's. name is the server's (SNI, unless it is an
 * address; verification), port what else tells its sessions from others'. The policy must stay
 * until the handshake is over.
 */
struct tls_conn *tls_begin(
    struct tls *t, int fd, const struct tls_policy *p, const char *name, unsigned port);
/* orderly: close_notify is sent if it can be at once. NULL is fine. */
void tls_end(struct tls_conn **c, bool orderly);

enum tls_want { TLS_WANT_NOTHING, TLS_WANT_READ, TLS_WANT_WRITE };

/* 1: done; 0: *want says what for; -1 and errno: failed, facts->why says why. */
int tls_handshake(struct tls_conn *c, enum tls_want *want);
/*
 * As conn_read and conn_write: bytes, 0 end, -1 and errno; EAGAIN with *want. EPROTO: TLS itself is
 * broken, facts->why says how. An end without close_notify is an end like any other: SMTP's replies
 * say whether something is missing. The work of one call is bounded, whatever the server sends.
 */
ssize_t tls_read(struct tls_conn *c, void *buf, size_t n, enum tls_want *want);
ssize_t tls_write(struct tls_conn *c, const void *buf, size_t n, enum tls_want *want);
bool tls_pending(const struct tls_conn *c); /* read bytes wait inside, poll(2) does not see them */
/* What was taken and has not gone out yet: to be flushed when the socket is writable, whoever
 * waits for what. An error of flushing is that of the next write. */
bool tls_unsent(const struct tls_conn *c);
void tls_flush(struct tls_conn *c);

const struct tls_facts *tls_facts(const struct tls_conn *c);
/* Channel bindings for SCRAM-PLUS: "tls-exporter" (RFC 9266), "tls-server-end-point" (RFC 5929).
 * Returns the length, 0: not to be had. */
size_t tls_binding(const struct tls_conn *c, const char *type, unsigned char *buf, size_t size);

#endif
