/*
 * tls_store.c: the CA certificates that servers are verified with.
 *
 * OpenSSL's own defaults are not asked for, because SSL_CERT_FILE and SSL_CERT_DIR would change
 * them: whoever can set our environment must not choose whom we trust.
 */
#include "net/tls_store.h"

#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/sys.h"
#include "net/tls.h"

enum { FILE_MAX = 16 * 1024 * 1024 };

static const char *const places[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine */
    "/etc/pki/tls/certs/ca-bundle.crt", /* Fedora */
    "/etc/ssl/cert.pem", /* FreeBSD, OpenBSD, NetBSD, Alpine */
    "/usr/local/share/certs/ca-root-nss.crt", /* FreeBSD's package */
    "/etc/openssl/certs", /* NetBSD */
};
enum { PLACES = sizeof(places) / sizeof(places[0]) };

const char *
tls_ca_place(size_t i)
{
	if (i < PLACES)
		return places[i];
	if (i == PLACES)
		return X509_get_default_cert_file();
	return i == PLACES + 1 ? X509_get_default_cert_dir() : NULL;
}

struct loading {
	X509_STORE *store;
	unsigned char *digest; /* TLS_DIGEST bytes */
	char *why;
	size_t whysize;
};

static bool
fail(const struct loading *l, const char *path, const char *what)
{
	snprintf(l->why, l->whysize, "%s: %s", path, what);
	return false;
}

static void
mix(unsigned char digest[TLS_DIGEST], const void *data, size_t n)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	EVP_DigestInit_ex(md, EVP_sha256(), NULL);
	EVP_DigestUpdate(md, digest, TLS_DIGEST);
	EVP_DigestUpdate(md, data, n);
	EVP_DigestFinal_ex(md, digest, NULL);
	EVP_MD_CTX_free(md);
}

/* The whole file; false and errno. */
static bool
read_file(int fd, struct buf *b)
{
	enum { BLOCK = 65536 };

	for (;;) {
		char *room = buf_reserve(b, BLOCK);
		ssize_t got;

		if (room == NULL) {
			errno = EFBIG;
			return false;
		}
		got = sys.read(fd, room, BLOCK);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return false;
		if (got == 0)
			return true;
		buf_commit(b, (size_t)got);
	}
}

bool
tls_store_digest(const char *path, unsigned char digest[TLS_DIGEST])
{
	int fd = sys.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	struct buf b;
	bool ok;

	if (fd == -1)
		return false;
	buf_init(&b, FILE_MAX);
	ok = read_file(fd, &b);
	if (ok)
		mix(digest, buf_data(&b), buf_len(&b));
	buf_free(&b);
	sys.close(fd);
	return ok;
}

/* How many certificates of the text were added. It ends with the first that cannot be read. */
static size_t
add_certificates(X509_STORE *store, const struct buf *b, bool *broken)
{
	BIO *in = BIO_new_mem_buf(buf_data(b), (int)buf_len(b));
	X509 *x;
	size_t n = 0;

	ERR_clear_error();
	while ((x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		if (X509_STORE_add_cert(store, x) == 1)
			n++;
		X509_free(x);
	}
	*broken = ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
	ERR_clear_error();
	BIO_free(in);
	return n;
}

static bool
load_file(const struct loading *l, const char *path, int fd)
{
	struct buf b;
	size_t n;
	bool broken;

	buf_init(&b, FILE_MAX);
	if (!read_file(fd, &b)) {
		int err = errno;

		buf_free(&b);
		return fail(l, path, strerror(err));
	}
	mix(l->digest, buf_data(&b), buf_len(&b));
	n = add_certificates(l->store, &b, &broken);
	buf_free(&b);
	if (broken) {
		snprintf(
		    l->why, l->whysize, "%s: certificate number %zu cannot be read", path, n + 1);
		return false;
	}
	return n > 0 ? true : fail(l, path, "no certificate in it");
}

/* Names as `openssl rehash` makes them: eight hex digits, a dot, a number. */
static bool
is_hashed(const char *name)
{
	return strlen(name) >= 10 && strspn(name, "0123456789abcdef") == 8 && name[8] == '.' &&
	       strspn(name + 9, "0123456789") == strlen(name + 9);
}

static bool
has_hashed(int fd)
{
	DIR *d = sys.fdopendir(fd);
	const struct dirent *e;
	bool found = false;

	if (d == NULL) {
		sys.close(fd);
		return false;
	}
	while (!found && (e = sys.readdir(d)) != NULL)
		found = is_hashed(e->d_name);
	sys.closedir(d);
	return found;
}

/* Certificates are read from it when they are needed. Adding and removing some changes its mtime. */
static bool
load_dir(const struct loading *l, const char *path, const struct stat *st)
{
	char text[32];

	if (X509_STORE_load_path(l->store, path) != 1)
		return fail(l, path, "OpenSSL does not take it");
	snprintf(text, sizeof(text), "%jd", (intmax_t)st->st_mtime);
	mix(l->digest, path, strlen(path));
	mix(l->digest, text, strlen(text));
	return true;
}

static bool
load(const struct loading *l, const char *path)
{
	int fd = sys.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	struct stat st;
	bool ok;

	if (fd == -1)
		return fail(l, path, strerror(errno));
	if (sys.fstat(fd, &st) == -1) {
		int err = errno;

		sys.close(fd);
		return fail(l, path, strerror(err));
	}
	if (S_ISDIR(st.st_mode)) /* has_hashed() closes it */
		return has_hashed(fd)
			   ? load_dir(l, path, &st)
			   : fail(l, path, "no hashed certificate in it (see openssl-rehash(1))");
	ok = load_file(l, path, fd);
	sys.close(fd);
	return ok;
}

bool
tls_store_load(
    X509_STORE *store, const char *ca, unsigned char digest[TLS_DIGEST], char *why, size_t whysize)
{
	char ignored[256];
	struct loading l = {
	    .store = store, .digest = digest, .why = ignored, .whysize = sizeof(ignored)};
	const char *place;

	if (ca != NULL) {
		l.why = why;
		l.whysize = whysize;
		return load(&l, ca);
	}
	for (size_t i = 0; (place = tls_ca_place(i)) != NULL; i++)
		if (load(&l, place))
			return true;
	snprintf(why, whysize, "no CA certificates found: looked at");
	for (size_t i = 0; i < PLACES; i++) {
		size_t n = strlen(why);

		snprintf(why + n, whysize - n, "%s %s", i > 0 ? "," : "", places[i]);
	}
	return false;
}
