/* tls_server.c: the server's side of TLS, for scripted servers. */
#include "tls_server.h"

#include <sys/socket.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct tls_server {
	SSL_CTX *ctx;
};

struct tls_peer {
	SSL *ssl;
	int fd;
	char error[128], sni[256];
	unsigned char secret[48]; /* server_application_traffic_secret_0, of SHA-384 */
	unsigned char sequence;
};

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "tls_server: %s\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

/* A line is "SERVER_TRAFFIC_SECRET_0 random secret", in hex. */
static void
on_keylog(const SSL *ssl, const char *line)
{
	struct tls_peer *p = SSL_get_app_data(ssl);
	const char *hex = strrchr(line, ' ');

	if (strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) != 0 || strlen(hex + 1) != 96)
		return;
	for (size_t i = 0; i < sizeof(p->secret); i++) {
		char byte[3] = {hex[1 + 2 * i], hex[2 + 2 * i], '\0'};

		p->secret[i] = (unsigned char)strtoul(byte, NULL, 16);
	}
}

static int
on_sni(SSL *ssl, int *alert, void *ctx)
{
	struct tls_peer *p = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert, (void)ctx;
	snprintf(p->sni, sizeof(p->sni), "%s", name != NULL ? name : "");
	return SSL_TLSEXT_ERR_OK;
}

struct tls_server *
tls_server_new(const struct tls_server_options *o)
{
	struct tls_server *s = xcalloc(1, sizeof(*s));

	signal(SIGPIPE, SIG_IGN); /* OpenSSL's own BIO writes with write(2) */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	s->ctx = SSL_CTX_new(TLS_server_method());
	must(s->ctx != NULL, "context");
	SSL_CTX_set_security_level(s->ctx, 0);
	must(SSL_CTX_use_certificate_chain_file(s->ctx, o->pem) == 1, o->pem);
	must(SSL_CTX_use_PrivateKey_file(s->ctx, o->pem, SSL_FILETYPE_PEM) == 1, o->pem);
	SSL_CTX_set_min_proto_version(s->ctx, o->lowest);
	SSL_CTX_set_max_proto_version(s->ctx, o->highest);
	SSL_CTX_set_mode(
	    s->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_id_context(s->ctx, (const unsigned char *)"test", 4);
	SSL_CTX_set_keylog_callback(s->ctx, on_keylog);
	SSL_CTX_set_tlsext_servername_callback(s->ctx, on_sni);
	if (o->no_tickets)
		SSL_CTX_set_num_tickets(s->ctx, 0);
	if (o->client_ca != NULL) {
		must(SSL_CTX_load_verify_file(s->ctx, o->client_ca) == 1, o->client_ca);
		SSL_CTX_set_verify(s->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	return s;
}

void
tls_server_free(struct tls_server **sp)
{
	if (*sp == NULL)
		return;
	SSL_CTX_free((*sp)->ctx);
	free(*sp);
	*sp = NULL;
}

struct tls_peer *
tls_peer_new(struct tls_server *s, int fd)
{
	struct tls_peer *p = xcalloc(1, sizeof(*p));

	p->fd = fd;
	p->ssl = SSL_new(s->ctx);
	must(p->ssl != NULL && SSL_set_fd(p->ssl, fd) == 1, "connection");
	SSL_set_app_data(p->ssl, p);
	SSL_set_accept_state(p->ssl);
	return p;
}

void
tls_peer_free(struct tls_peer **pp)
{
	if (*pp == NULL)
		return;
	SSL_free((*pp)->ssl);
	free(*pp);
	*pp = NULL;
}

/* -1 and errno, 0 at the end. */
static int
judge(struct tls_peer *p, int rc)
{
	int error = SSL_get_error(p->ssl, rc);
	unsigned long e = ERR_peek_error();

	errno = EAGAIN;
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return -1;
	if (e != 0)
		snprintf(p->error, sizeof(p->error), "%s", ERR_reason_error_string(e));
	errno = EPROTO;
	return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

int
tls_peer_accept(struct tls_peer *p)
{
	int rc;

	ERR_clear_error();
	rc = SSL_do_handshake(p->ssl);
	if (rc == 1)
		return 1;
	judge(p, rc);
	return errno == EAGAIN ? 0 : -1;
}

ssize_t
tls_peer_recv(struct tls_peer *p, void *buf, size_t n)
{
	int rc;

	ERR_clear_error();
	rc = SSL_read(p->ssl, buf, (int)n);
	return rc > 0 ? rc : judge(p, rc);
}

ssize_t
tls_peer_send(struct tls_peer *p, const void *buf, size_t n)
{
	int rc;

	ERR_clear_error();
	rc = SSL_write(p->ssl, buf, (int)n);
	return rc > 0 ? rc : judge(p, rc);
}

void
tls_peer_close_notify(struct tls_peer *p)
{
	SSL_shutdown(p->ssl);
}

bool
tls_peer_saw_close_notify(const struct tls_peer *p)
{
	return (SSL_get_shutdown(p->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

bool
tls_peer_resumed(const struct tls_peer *p)
{
	return SSL_session_reused(p->ssl) == 1;
}

const char *
tls_peer_sni(const struct tls_peer *p)
{
	return p->sni;
}

const char *
tls_peer_error(const struct tls_peer *p)
{
	return p->error;
}

size_t
tls_peer_exporter(struct tls_peer *p, unsigned char *buf, size_t n)
{
	static const char label[] = "EXPORTER-Channel-Binding";

	must(SSL_export_keying_material(p->ssl, buf, n, label, strlen(label), NULL, 0, 0) == 1,
	    "exporter");
	return n;
}

void
tls_peer_ticket(struct tls_peer *p)
{
	SSL_new_session_ticket(p->ssl);
	SSL_do_handshake(p->ssl);
}

void
tls_peer_key_update(struct tls_peer *p)
{
	SSL_key_update(p->ssl, SSL_KEY_UPDATE_REQUESTED);
	SSL_do_handshake(p->ssl);
}

void
tls_peer_renegotiate(struct tls_peer *p)
{
	SSL_renegotiate(p->ssl);
	SSL_do_handshake(p->ssl);
}

/* --- a record by hand, RFC 8446 5.2 and 7.3 --- */

/* HKDF-Expand-Label(secret, label, "", n) with SHA-384. */
static void
expand(const struct tls_peer *p, const char *label, unsigned char *out, size_t n)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	char sha384[] = "SHA384", info[64];
	size_t len = (size_t)snprintf(
	    info, sizeof(info), "%c%c%ctls13 %s%c", 0, (int)n, (int)strlen(label) + 6, label, 0);
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha384, 0),
	    OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_KEY, (void *)p->secret, sizeof(p->secret)),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, len),
	    OSSL_PARAM_construct_end(),
	};

	must(EVP_KDF_derive(ctx, out, n, params) == 1, "HKDF");
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

void
tls_peer_empty_record(struct tls_peer *p)
{
	/* header, one byte of inner type (application_data), tag */
	unsigned char record[5 + 1 + 16] = {23, 3, 3, 0, 17}, key[32], iv[12];
	const unsigned char type = 23;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	expand(p, "key", key, sizeof(key));
	expand(p, "iv", iv, sizeof(iv));
	iv[11] ^= p->sequence++;
	must(EVP_EncryptInit_ex2(ctx, EVP_aes_256_gcm(), key, iv, NULL) == 1 &&
		 EVP_EncryptUpdate(ctx, NULL, &n, record, 5) == 1 &&
		 EVP_EncryptUpdate(ctx, record + 5, &n, &type, 1) == 1 &&
		 EVP_EncryptFinal_ex(ctx, record + 6, &n) == 1 &&
		 EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, record + 6) == 1,
	    "encryption");
	EVP_CIPHER_CTX_free(ctx);
	must(send(p->fd, record, sizeof(record), MSG_NOSIGNAL) == sizeof(record), "send");
}
