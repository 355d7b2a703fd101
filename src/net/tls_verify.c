/*
 * tls_verify.c: whether a certificate is the one that was wanted, and what to tell people about it.
 */
#include "net/tls_verify.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"

/* --- names --- */

void
tls_name_set(struct tls_name *n, const char *name)
{
	size_t len = strlen(name);

	*n = (struct tls_name){.iplen = 0};
	if (len > 2 && name[0] == '[' && name[len - 1] == ']') {
		name++;
		len -= 2;
	}
	/* The final dot of an absolute name is DNS's, no certificate has it (RFC 6125 appendix B). */
	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len >= sizeof(n->text))
		len = 0; /* no such name exists; none matches */
	memcpy(n->text, name, len);
	str_lowercase(n->text);
	if (inet_pton(AF_INET, n->text, n->ip) == 1)
		n->iplen = 4;
	else if (inet_pton(AF_INET6, n->text, n->ip) == 1)
		n->iplen = 16;
}

bool
tls_name_matches(const struct tls_name *n, X509 *leaf)
{
	if (n->iplen > 0)
		return X509_check_ip(leaf, n->ip, n->iplen, 0) == 1;
	/* To OpenSSL a leading dot means any subdomain, and no name is no question. */
	if (n->text[0] == '\0' || n->text[0] == '.')
		return false;
	return X509_check_host(leaf, n->text, strlen(n->text),
		   X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
		   NULL) == 1;
}

/* --- fingerprints --- */

static int
hex_value(char c)
{
	const char digits[] = "0123456789abcdef";
	const char *p = c == '\0' ? NULL : strchr(digits, str_lower((unsigned char)c));

	return p == NULL ? -1 : (int)(p - digits);
}

static bool
parse_fingerprint(const char *s, unsigned char out[32])
{
	if (!str_starts(s, "sha256:"))
		return false;
	s += strlen("sha256:");
	for (size_t i = 0; i < 32; i++) {
		int high, low;

		if (i > 0 && *s == ':')
			s++;
		high = hex_value(s[0]);
		low = high < 0 ? -1 : hex_value(s[1]);
		if (low < 0)
			return false;
		out[i] = (unsigned char)(high * 16 + low);
		s += 2;
	}
	return *s == '\0';
}

bool
tls_fingerprint_listed(X509 *leaf, const struct tls_policy *p)
{
	unsigned char whole[32], key[32], want[32], *spki = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &spki);
	bool known;

	known = n > 0 && X509_digest(leaf, EVP_sha256(), whole, NULL) == 1 &&
		EVP_Digest(spki, (size_t)n, key, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_free(spki);
	for (size_t i = 0; known && i < p->nfingerprints; i++)
		if (parse_fingerprint(p->fingerprints[i], want) &&
		    (memcmp(want, whole, 32) == 0 || memcmp(want, key, 32) == 0))
			return true;
	return false;
}

/* --- for people --- */

static void
name_text(const X509_NAME *name, char *dst, size_t size)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *data;
	long n;

	/* RFC 2253's form, but UTF-8 as it is; str_clean() sees to the rest. */
	X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
	n = BIO_get_mem_data(out, &data);
	str_clean(dst, size, data, n > 0 ? (size_t)n : 0);
	BIO_free(out);
}

void
tls_describe(X509 *leaf, struct tls_facts *f)
{
	unsigned char digest[32];

	name_text(X509_get_subject_name(leaf), f->subject, sizeof(f->subject));
	name_text(X509_get_issuer_name(leaf), f->issuer, sizeof(f->issuer));
	if (X509_digest(leaf, EVP_sha256(), digest, NULL) != 1)
		return;
	memcpy(f->fingerprint, "sha256:", sizeof("sha256:"));
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(f->fingerprint + 7 + 2 * i, 3, "%02x", digest[i]);
}

static void
add_name(struct buf *b, const GENERAL_NAME *g)
{
	char text[INET6_ADDRSTRLEN];
	const ASN1_STRING *s;
	int type, n;

	s = GENERAL_NAME_get0_value(g, &type);
	if (type != GEN_DNS && type != GEN_IPADD)
		return;
	n = ASN1_STRING_length(s);
	if (type == GEN_IPADD && n != 4 && n != 16)
		return;
	if (buf_len(b) > 0)
		buf_adds(b, ", ");
	if (type == GEN_DNS)
		buf_add(b, ASN1_STRING_get0_data(s), (size_t)n);
	else
		buf_adds(b, inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(s), text,
				sizeof(text)));
}

/* "a.example, b.example", as many as there is room for. */
static void
san_text(X509 *leaf, char *dst, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	struct buf b;

	buf_init(&b, size);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		add_name(&b, sk_GENERAL_NAME_value(names, i));
	str_clean(dst, size, buf_data(&b), buf_len(&b));
	buf_free(&b);
	GENERAL_NAMES_free(names);
}

static void
explain_name(X509 *leaf, const struct tls_name *n, char *why, size_t whysize)
{
	char names[160] = "", name[64];

	str_clean(name, sizeof(name), n->text, strlen(n->text));
	if (leaf != NULL)
		san_text(leaf, names, sizeof(names));
	if (names[0] != '\0')
		snprintf(
		    why, whysize, "no certificate matches the name %s (it is for %s)", name, names);
	else
		snprintf(
		    why, whysize, "no certificate matches the name %s (it has no names)", name);
}

void
tls_explain(int error, X509 *x, const struct tls_name *n, char *why, size_t whysize)
{
	char who[160];
	bool issuer = error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
		      error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
		      error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;

	if (error == X509_V_ERR_HOSTNAME_MISMATCH) {
		explain_name(x, n, why, whysize);
		return;
	}
	if (x == NULL) {
		snprintf(why, whysize, "%s", X509_verify_cert_error_string(error));
		return;
	}
	name_text(issuer ? X509_get_issuer_name(x) : X509_get_subject_name(x), who, sizeof(who));
	snprintf(why, whysize, "%s: %s", X509_verify_cert_error_string(error), who);
}

void
tls_trace_chain(const STACK_OF(X509) * chain)
{
	char subject[256], issuer[256];

	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *x = sk_X509_value(chain, i);

		name_text(X509_get_subject_name(x), subject, sizeof(subject));
		name_text(X509_get_issuer_name(x), issuer, sizeof(issuer));
		log_trace("--- certificate %d: %s, issued by %s", i, subject, issuer);
	}
}

/* --- channel binding --- */

size_t
tls_end_point(X509 *leaf, unsigned char *buf, size_t size)
{
	int nid;
	unsigned int n = 0;
	const EVP_MD *md;

	/* Ed25519 and the like have no hash of their own: undefined there. */
	if (X509_get_signature_info(leaf, &nid, NULL, NULL, NULL) != 1 || nid == NID_undef)
		return 0;
	if (nid == NID_md5 || nid == NID_sha1)
		nid = NID_sha256;
	md = EVP_get_digestbynid(nid);
	if (md == NULL || (size_t)EVP_MD_get_size(md) > size || X509_digest(leaf, md, buf, &n) != 1)
		return 0;
	return n;
}
