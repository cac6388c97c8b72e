/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/ocsp.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <string.h>

/* The answer about leaf's serial number: NULL when there is none. */
static OCSP_SINGLERESP *answer_about(OCSP_BASICRESP *basic, const X509 *leaf)
{
	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
		ASN1_INTEGER *serial = NULL;

		OCSP_id_get0_info(NULL, NULL, NULL, &serial,
				  (OCSP_CERTID *)(uintptr_t)
					  OCSP_SINGLERESP_get0_id(single));
		if (serial &&
		    ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) == 0)
			return single;
	}
	return NULL;
}

static int check(const char *path, OCSP_BASICRESP *basic, const X509 *leaf,
		 time_t *ret_until, struct err *err)
{
	OCSP_SINGLERESP *single = basic ? answer_about(basic, leaf) : NULL;
	ASN1_GENERALIZEDTIME *next = NULL;
	struct tm tm;
	int reason, status;

	if (!single)
		return err_set(err, EINVAL,
			       "%s is no OCSP response about the certificate "
			       "it stands beside",
			       path);
	status = OCSP_single_get0_status(single, &reason, NULL, NULL, &next);
	if (status != V_OCSP_CERTSTATUS_GOOD)
		return err_set(err, EINVAL,
			       "%s says of the certificate that it is %s", path,
			       OCSP_cert_status_str(status));
	*ret_until = 0;
	if (next && ASN1_TIME_to_tm(next, &tm) == 1)
		*ret_until = timegm(&tm);
	return 0;
}

int ocsp_read(const char *path, X509 *leaf, uint8_t **ret, size_t *ret_size,
	      time_t *ret_until, struct err *err)
{
	BIO *file = BIO_new_file(path, "rb");
	OCSP_RESPONSE *response;
	OCSP_BASICRESP *basic;
	uint8_t *der = NULL;
	int size, r;

	if (!file) {
		ERR_clear_error();
		return err_set(err, errno ? errno : EIO,
			       "%s cannot be read: %s", path, strerror(errno));
	}
	response = d2i_OCSP_RESPONSE_bio(file, NULL);
	BIO_free(file);
	basic = response && OCSP_response_status(response) ==
					OCSP_RESPONSE_STATUS_SUCCESSFUL
			? OCSP_response_get1_basic(response)
			: NULL;
	r = check(path, basic, leaf, ret_until, err);
	size = r ? 0 : i2d_OCSP_RESPONSE(response, &der);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	if (r)
		return r;
	if (size <= 0)
		return err_set(err, ENOMEM, "memory is short");
	*ret = der;
	*ret_size = (size_t)size;
	return 0;
}
