/* SPDX-License-Identifier: BSD-2-Clause */
/* A peer's certificate (DER), or after a byte of 0 a pattern, a newline and a
 * name. */
#include <assert.h>
#include <openssl/err.h>
#include <string.h>
#include <strings.h>

#include "file.h"
#include "tls/names.h"

static size_t dots(const char *name)
{
	size_t count = 0;

	for (; *name; name++)
		count += *name == '.';
	return count;
}

static void patterns(const uint8_t *bytes, size_t size)
{
	char *pattern = strndup((const char *)bytes, size);
	char *name = pattern ? strchr(pattern, '\n') : NULL;

	if (name) {
		*name++ = '\0';
		if (names_dns_match(pattern, name)) {
			/* The root's dot is no part of a name. */
			if (*name && name[strlen(name) - 1] == '.')
				name[strlen(name) - 1] = '\0';
			assert(dots(pattern) == dots(name));
			assert(strchr(pattern, '*') ||
			       strcasecmp(pattern, name) == 0);
		}
	}
	free(pattern);
}

static void certificate(const uint8_t *bytes, size_t size)
{
	static char *wanted[] = {"app.apps.local", "10.0.0.1",
				 "spiffe://mesh.local/app"};
	struct config_validation validation = {.cn_or_san = true,
					       .names = {wanted, 3}};
	X509 *x509 = d2i_X509(NULL, &bytes, (long)size);
	char text[64];

	if (x509) {
		names_certificate_match(x509, &validation);
		assert(strlen(names_certificate_format(x509, text,
						       sizeof(text))) > 0);
		assert(strlen(names_certificate_identity(x509, text,
							 sizeof(text))) > 0);
	}
	X509_free(x509);
	ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size && !bytes[0])
		patterns(bytes + 1, size - 1);
	else
		certificate(bytes, size);
	return 0;
}
