/* certs.c: certificates for tests. */
#include "certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum flaw {
	FINE,
	EXPIRED,
	NOT_YET,
	SELF_SIGNED,
	NO_INTERMEDIATE,
	UNKNOWN_CA,
	BY_A_SERVER,
	CONTROL_BYTES
};

struct kind {
	const char *name, *key, *san; /* san NULL: the common name alone */
	enum flaw flaw;
};

#define MX "DNS:mx.example.org"

static const struct kind kinds[] = {
    {"good", "P-256", MX, FINE},
    {"rsa", "RSA", MX, FINE},
    {"rsa1024", "RSA1024", MX, FINE},
    {"ed25519", "ED25519", MX, FINE},
    {"p384", "P-384", MX, FINE},
    {"expired", "P-256", MX, EXPIRED},
    {"not-yet", "P-256", MX, NOT_YET},
    {"self-signed", "P-256", MX, SELF_SIGNED},
    {"wrong-name", "P-256", "DNS:a.example, DNS:b.example", FINE},
    {"common-name-only", "P-256", NULL, FINE},
    {"wildcard", "P-256", "DNS:*.example.org", FINE},
    {"wildcard-two-labels", "P-256", "DNS:*.org", FINE},
    {"wildcard-elsewhere", "P-256", "DNS:mx.*.org", FINE},
    {"wildcard-partial", "P-256", "DNS:m*.example.org", FINE},
    {"wildcard-of-parent", "P-256", "DNS:*.mx.example.org", FINE},
    {"no-intermediate", "P-256", MX, NO_INTERMEDIATE},
    {"unknown-ca", "P-256", MX, UNKNOWN_CA},
    {"by-a-server", "P-256", MX, BY_A_SERVER},
    {"address", "P-256", "IP:192.0.2.1, IP:2001:db8::1", FINE},
    {"address-as-name", "P-256", "DNS:192.0.2.1", FINE},
    {"control-bytes", "P-256", "DNS:\x1b[31m.example, DNS:two\r\nstatus=sent", CONTROL_BYTES},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

const char *const certs_names[KINDS + 1] = {"good", "rsa", "rsa1024", "ed25519", "p384", "expired",
    "not-yet", "self-signed", "wrong-name", "common-name-only", "wildcard", "wildcard-two-labels",
    "wildcard-elsewhere", "wildcard-partial", "wildcard-of-parent", "no-intermediate", "unknown-ca",
    "by-a-server", "address", "address-as-name", "control-bytes", NULL};

struct pair { /* who can issue */
	X509 *cert;
	EVP_PKEY *key;
};

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "certs: %s\n", what);
	abort();
}

static EVP_PKEY *
make_key(const char *type)
{
	EVP_PKEY *k;

	if (strcmp(type, "ED25519") == 0)
		k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	else if (strncmp(type, "RSA", 3) == 0)
		k = EVP_RSA_gen(strcmp(type, "RSA1024") == 0 ? 1024U : 2048U);
	else
		k = EVP_EC_gen(type);
	must(k != NULL, "key");
	return k;
}

static void
add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX v3;
	X509_EXTENSION *e;

	X509V3_set_ctx(&v3, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
	must(e != NULL && X509_add_ext(x, e, -1) == 1, "extension");
	X509_EXTENSION_free(e);
}

static void
set_name(X509 *x, const char *common)
{
	X509_NAME *n = X509_get_subject_name(x);

	X509_NAME_add_entry_by_txt(
	    n, "O", MBSTRING_UTF8, (const unsigned char *)"Tests", -1, -1, 0);
	X509_NAME_add_entry_by_txt(
	    n, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1, -1, 0);
}

/* GeneralizedTime, RFC 5280 4.1.2.5; not after 2049 it would have to be UTCTime. */
static void
set_validity(X509 *x, const char *from, const char *to)
{
	must(ASN1_TIME_set_string_X509(X509_getm_notBefore(x), from) == 1 &&
		 ASN1_TIME_set_string_X509(X509_getm_notAfter(x), to) == 1,
	    "time");
}

/* by NULL: by itself. Unsigned yet. */
static struct pair
new_cert(const char *common, const char *key, const struct pair *by)
{
	static long serial = 1000;
	struct pair p = {X509_new(), make_key(key)};

	must(p.cert != NULL, "certificate");
	X509_set_version(p.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(p.cert), ++serial);
	set_name(p.cert, common);
	set_validity(p.cert, "20200101000000Z", "21190101000000Z");
	X509_set_pubkey(p.cert, p.key);
	X509_set_issuer_name(p.cert, X509_get_subject_name(by != NULL ? by->cert : p.cert));
	return p;
}

static void
sign(const struct pair *p, const struct pair *by)
{
	EVP_PKEY *key = by != NULL ? by->key : p->key;
	const EVP_MD *md = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();

	must(X509_sign(p->cert, key, md) > 0, "signature");
}

static struct pair
new_ca(const char *common, const struct pair *by)
{
	struct pair p = new_cert(common, "P-256", by);

	add_extension(
	    p.cert, by != NULL ? by->cert : p.cert, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(p.cert, p.cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	add_extension(p.cert, p.cert, NID_subject_key_identifier, "hash");
	sign(&p, by);
	return p;
}

static void
free_pair(struct pair *p)
{
	X509_free(p->cert);
	EVP_PKEY_free(p->key);
}

static FILE *
open_pem(const char *dir, const char *name)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.pem", dir, name);
	f = fopen(path, "w");
	must(f != NULL, path);
	return f;
}

static void
write_ca(const char *dir, const char *name, const struct pair *p)
{
	FILE *f = open_pem(dir, name);

	must(PEM_write_X509(f, p->cert) == 1, "writing");
	must(fclose(f) == 0, "writing");
}

static void
make_kind(const char *dir, const struct kind *k, const struct pair *by, X509 *above)
{
	bool self = k->flaw == SELF_SIGNED;
	const char *common =
	    k->flaw == CONTROL_BYTES ? "\x1b]0;me\x07\r\nstatus=sent" : "mx.example.org";
	struct pair p = new_cert(common, k->key, self ? NULL : by);
	FILE *f = open_pem(dir, k->name);

	if (k->san != NULL)
		add_extension(p.cert, p.cert, NID_subject_alt_name, k->san);
	if (k->flaw == EXPIRED)
		set_validity(p.cert, "20200101000000Z", "20210101000000Z");
	if (k->flaw == NOT_YET)
		set_validity(p.cert, "21000101000000Z", "21190101000000Z");
	sign(&p, self ? NULL : by);
	must(PEM_write_X509(f, p.cert) == 1, "writing");
	if (!self && k->flaw != NO_INTERMEDIATE)
		must(PEM_write_X509(f, by->cert) == 1, "writing");
	if (k->flaw == BY_A_SERVER)
		must(PEM_write_X509(f, above) == 1, "writing");
	must(PEM_write_PrivateKey(f, p.key, NULL, NULL, 0, NULL, NULL) == 1, "writing");
	must(fclose(f) == 0, "writing");
	free_pair(&p);
}

static void
make_all(const char *dir, bool rsa)
{
	struct pair root = new_ca("Root", NULL), mid = new_ca("Intermediate", &root);
	struct pair other = new_ca("Other Root", NULL), server;

	/* A certificate of a server, not of a CA, that issues all the same. */
	server = new_cert("Not a CA", "P-256", &mid);
	add_extension(server.cert, mid.cert, NID_basic_constraints, "critical,CA:FALSE");
	sign(&server, &mid);
	for (size_t i = 0; i < KINDS; i++) {
		const struct pair *by = kinds[i].flaw == UNKNOWN_CA    ? &other
					: kinds[i].flaw == BY_A_SERVER ? &server
								       : &mid;

		must(strcmp(certs_names[i], kinds[i].name) == 0, "the list of names");
		if (!rsa && strncmp(kinds[i].key, "RSA", 3) == 0)
			continue;
		make_kind(dir, &kinds[i], by, mid.cert);
	}
	write_ca(dir, "ca", &root);
	write_ca(dir, "intermediate", &mid);
	write_ca(dir, "other-ca", &other);
	free_pair(&root);
	free_pair(&mid);
	free_pair(&other);
	free_pair(&server);
}

void
certs_make(const char *dir)
{
	make_all(dir, true);
}

void
certs_make_quickly(const char *dir)
{
	make_all(dir, false);
}

void
certs_remove(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	char path[512];

	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		unlink(path);
	}
	if (d != NULL)
		closedir(d);
	rmdir(dir);
}

void
certs_fingerprint(const char *path, bool key, char *dst, size_t size)
{
	FILE *f = fopen(path, "r");
	X509 *x = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);
	unsigned char digest[32], *der = NULL;
	size_t at;
	int n;

	must(x != NULL, path);
	n = key ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der) : i2d_X509(x, &der);
	must(n > 0 && EVP_Digest(der, (size_t)n, digest, NULL, EVP_sha256(), NULL) == 1, "digest");
	at = (size_t)snprintf(dst, size, "sha256:");
	for (size_t i = 0; i < sizeof(digest) && at < size; i++)
		at += (size_t)snprintf(dst + at, size - at, "%02x", digest[i]);
	OPENSSL_free(der);
	X509_free(x);
	fclose(f);
}
