/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/files.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define RSA_BITS_MIN 2048

/* NULL, and why: *ret_r is then -errno. */
static FILE *open_file(const char *path, int *ret_r, struct err *err)
{
	struct stat status;
	FILE *file = fopen(path, "re");

	if (!file) {
		*ret_r = err_set(err, errno, "%s cannot be read: %s", path,
				 strerror(errno));
		return NULL;
	}
	if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode)) {
		fclose(file);
		*ret_r = err_set(err, EINVAL, "%s is not a file", path);
		return NULL;
	}
	return file;
}

/* Whether the PEM reader stopped because nothing is left. */
static bool at_end(void)
{
	unsigned long code = ERR_peek_last_error();

	return ERR_GET_LIB(code) == ERR_LIB_PEM &&
	       ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static int read_certificates(const char *path, STACK_OF(X509) **ret,
			     struct err *err)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	X509 *certificate;
	bool whole;
	int r = 0, count;
	FILE *file = all ? open_file(path, &r, err) : NULL;

	if (!file) {
		sk_X509_free(all);
		return all ? r : err_set(err, ENOMEM, "memory is short");
	}
	ERR_clear_error();
	while ((certificate = PEM_read_X509(file, NULL, NULL, NULL)) != NULL)
		if (!sk_X509_push(all, certificate))
			X509_free(certificate);
	whole = at_end();
	ERR_clear_error();
	fclose(file);
	count = sk_X509_num(all);
	if (count && whole) {
		*ret = all;
		return 0;
	}
	sk_X509_pop_free(all, X509_free);
	if (!count)
		return err_set(err, EINVAL,
			       "%s holds no certificate; PEM is expected "
			       "(-----BEGIN CERTIFICATE-----)",
			       path);
	return err_set(err, EINVAL, "%s: certificate %d is damaged", path,
		       count + 1);
}

static int check_leaf(const char *path, X509 *leaf, struct err *err)
{
	EVP_PKEY *key = X509_get0_pubkey(leaf);

	if (!key)
		return err_set(err, EINVAL,
			       "%s: the certificate's key is of an unknown "
			       "kind",
			       path);
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
	    EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
		return err_set(err, EINVAL,
			       "%s: an RSA key of %d bits is too short; use "
			       "%d or more, or ECDSA",
			       path, EVP_PKEY_get_bits(key), RSA_BITS_MIN);
	return 0;
}

int files_chain_read(const char *path, STACK_OF(X509) **ret, struct err *err)
{
	STACK_OF(X509) *chain = NULL;
	int r = read_certificates(path, &chain, err);

	if (r)
		return r;
	r = check_leaf(path, sk_X509_value(chain, 0), err);
	if (r)
		sk_X509_pop_free(chain, X509_free);
	else
		*ret = chain;
	return r;
}

static int no_passphrase(char *text, int size, int writing, void *asked)
{
	(void)text;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static int read_key(const char *path, EVP_PKEY **ret, struct err *err)
{
	bool encrypted = false;
	int r = 0;
	FILE *file = open_file(path, &r, err);

	if (!file)
		return r;
	/* Nothing of the key may linger in stdio's buffer. */
	setvbuf(file, NULL, _IONBF, 0);
	*ret = PEM_read_PrivateKey(file, NULL, no_passphrase, &encrypted);
	ERR_clear_error();
	fclose(file);
	if (*ret)
		return 0;
	if (encrypted)
		return err_set(err, EINVAL,
			       "%s is encrypted, and nobody is there to type "
			       "its passphrase; decrypt it (openssl pkey)",
			       path);
	return err_set(err, EINVAL,
		       "%s holds no private key; PEM is expected "
		       "(-----BEGIN PRIVATE KEY-----)",
		       path);
}

int files_key_read(const char *path, const char *chain_path, X509 *leaf,
		   EVP_PKEY **ret, struct err *err)
{
	EVP_PKEY *key = NULL;
	int r = read_key(path, &key, err);

	if (r)
		return r;
	if (X509_check_private_key(leaf, key) != 1) {
		ERR_clear_error();
		EVP_PKEY_free(key);
		return err_set(err, EINVAL,
			       "%s is not the key of the first certificate in "
			       "%s",
			       path, chain_path);
	}
	*ret = key;
	return 0;
}

int files_trust_read(const char *path, STACK_OF(X509) **ret, struct err *err)
{
	return read_certificates(path, ret, err);
}

int files_crl_read(const char *path, STACK_OF(X509_CRL) **ret, struct err *err)
{
	STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();
	X509_CRL *crl;
	bool whole;
	int r = 0, count;
	FILE *file = all ? open_file(path, &r, err) : NULL;

	if (!file) {
		sk_X509_CRL_free(all);
		return all ? r : err_set(err, ENOMEM, "memory is short");
	}
	ERR_clear_error();
	while ((crl = PEM_read_X509_CRL(file, NULL, NULL, NULL)) != NULL)
		if (!sk_X509_CRL_push(all, crl))
			X509_CRL_free(crl);
	whole = at_end();
	ERR_clear_error();
	fclose(file);
	count = sk_X509_CRL_num(all);
	if (count && whole) {
		*ret = all;
		return 0;
	}
	sk_X509_CRL_pop_free(all, X509_CRL_free);
	if (!count)
		return err_set(err, EINVAL,
			       "%s holds no revocation list; PEM is expected "
			       "(-----BEGIN X509 CRL-----)",
			       path);
	return err_set(err, EINVAL, "%s: revocation list %d is damaged", path,
		       count + 1);
}

/* ---- for the words alone */

int files_chain_check(const char *path, struct err *err)
{
	STACK_OF(X509) *chain = NULL;
	int r = files_chain_read(path, &chain, err);

	if (!r)
		sk_X509_pop_free(chain, X509_free);
	return r;
}

int files_key_check(const char *path, const char *chain_path, struct err *err)
{
	STACK_OF(X509) *chain = NULL;
	EVP_PKEY *key = NULL;
	int r;

	/* A damaged chain is told by its own check. */
	if (read_certificates(chain_path, &chain, NULL))
		r = read_key(path, &key, err);
	else
		r = files_key_read(path, chain_path, sk_X509_value(chain, 0),
				   &key, err);
	EVP_PKEY_free(key);
	sk_X509_pop_free(chain, X509_free);
	return r;
}

int files_trust_check(const char *path, struct err *err)
{
	STACK_OF(X509) *trust = NULL;
	int r = files_trust_read(path, &trust, err);

	if (!r)
		sk_X509_pop_free(trust, X509_free);
	return r;
}

int files_crl_check(const char *path, struct err *err)
{
	STACK_OF(X509_CRL) *crls = NULL;
	int r = files_crl_read(path, &crls, err);

	if (!r)
		sk_X509_CRL_pop_free(crls, X509_CRL_free);
	return r;
}

/* What both engines have: AEADs whose key is fresh for each connection. */
static bool usable(const SSL_CIPHER *cipher)
{
	int nid = SSL_CIPHER_get_cipher_nid(cipher);
	int exchange = SSL_CIPHER_get_kx_nid(cipher);

	return (nid == NID_aes_128_gcm || nid == NID_aes_256_gcm ||
		nid == NID_chacha20_poly1305) &&
	       (exchange == NID_kx_ecdhe || exchange == NID_kx_dhe ||
		exchange == NID_kx_any);
}

static int ciphers_usable(SSL_CTX *ctx, int version, struct err *err)
{
	STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ctx);

	for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
		bool tls13 = SSL_CIPHER_get_kx_nid(cipher) == NID_kx_any;

		if (tls13 == (version == TLS1_3_VERSION) && !usable(cipher))
			return err_set(err, EINVAL,
				       "%s is not one of the ciphers that "
				       "millrace forwards with; ECDHE with "
				       "AES-GCM or ChaCha20-Poly1305 are",
				       SSL_CIPHER_get_name(cipher));
	}
	return 0;
}

static int list_check(const char *list, int version, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	int ok, r;

	if (!ctx)
		return err_set(err, ENOMEM, "memory is short");
	ok = version == TLS1_3_VERSION ? SSL_CTX_set_ciphersuites(ctx, list)
				       : SSL_CTX_set_cipher_list(ctx, list);
	r = ok == 1 ? ciphers_usable(ctx, version, err)
		    : err_set(err, EINVAL,
			      "OpenSSL knows no cipher in \"%.80s\"", list);
	ERR_clear_error();
	SSL_CTX_free(ctx);
	return r;
}

int files_ciphers_check(const char *list, struct err *err)
{
	return list_check(list, TLS1_2_VERSION, err);
}

int files_ciphersuites_check(const char *list, struct err *err)
{
	return list_check(list, TLS1_3_VERSION, err);
}
