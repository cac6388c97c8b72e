/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire: the numbers of TLS messages and alerts that this program speaks of.
 */
#ifndef MILLRACE_TLS_WIRE_H
#define MILLRACE_TLS_WIRE_H

/* RFC 8446 section 6, RFC 5246 section 7.2 */
enum tls_alert {
	TLS_ALERT_CLOSE_NOTIFY = 0,
	TLS_ALERT_UNEXPECTED_MESSAGE = 10,
	TLS_ALERT_BAD_RECORD_MAC = 20,
	TLS_ALERT_RECORD_OVERFLOW = 22,
	TLS_ALERT_ILLEGAL_PARAMETER = 47,
	TLS_ALERT_DECODE_ERROR = 50,
	TLS_ALERT_INTERNAL_ERROR = 80,
	TLS_ALERT_USER_CANCELED = 90,
	TLS_ALERT_NO_RENEGOTIATION = 100,
};

enum tls_alert_level {
	TLS_ALERT_WARNING = 1,
	TLS_ALERT_FATAL = 2,
};

/* RFC 8446 section 4, RFC 5246 section 7.4 */
enum tls_message {
	TLS_MESSAGE_HELLO_REQUEST = 0,
	TLS_MESSAGE_CLIENT_HELLO = 1,
	TLS_MESSAGE_NEW_SESSION_TICKET = 4,
	TLS_MESSAGE_CERTIFICATE_REQUEST = 13,
	TLS_MESSAGE_KEY_UPDATE = 24,
};

/* A whole KeyUpdate, update_not_requested (RFC 8446 section 4.6.3). */
#define TLS_KEY_UPDATE_BYTES                       \
	{                                          \
		TLS_MESSAGE_KEY_UPDATE, 0, 0, 1, 0 \
	}
#define TLS_KEY_UPDATE_SIZE 5

#endif
