/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/hello.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "tls/engine_user.h"
#include "tls/wire.h"

#define MESSAGE_HEADER 4
#define EXTENSION_NAME 0
#define EXTENSION_ALPN 16
#define NAME_IS_HOST 0

/* What is left to be read; going beyond it is remembered. */
struct span {
	const uint8_t *at;
	size_t left;
	bool broken;
};

static size_t number(struct span *span, size_t size)
{
	size_t value = 0;

	if (span->left < size) {
		span->broken = true;
		span->left = 0;
		return 0;
	}
	for (size_t i = 0; i < size; i++)
		value = value << 8 | span->at[i];
	span->at += size;
	span->left -= size;
	return value;
}

static struct span part(struct span *span, size_t size)
{
	struct span part = {span->at, size, false};

	if (span->left < size) {
		span->broken = true;
		part = (struct span){span->at, 0, true};
		size = span->left;
	}
	span->at += size;
	span->left -= size;
	return part;
}

/* A vector whose length stands in so many bytes before it. */
static struct span vector(struct span *span, size_t prefix)
{
	return part(span, number(span, prefix));
}

static bool take_name(struct span body, struct hello *ret)
{
	struct span list = vector(&body, 2);

	while (list.left && !list.broken) {
		size_t kind = number(&list, 1);
		struct span name = vector(&list, 2);

		if (kind != NAME_IS_HOST)
			continue;
		if (name.broken || !name.left || name.left > HELLO_NAME_MAX ||
		    memchr(name.at, '\0', name.left))
			return false;
		for (size_t i = 0; i < name.left; i++)
			ret->name[i] = (char)tolower(name.at[i]);
		ret->name[name.left] = '\0';
		return true;
	}
	return !list.broken && !body.broken;
}

static int read_message(struct span body, struct hello *ret)
{
	struct hello hello = {0};
	struct span extensions;

	number(&body, 2);
	part(&body, TLS_RANDOM_SIZE);
	vector(&body, 1); /* session id */
	vector(&body, 2); /* cipher suites */
	vector(&body, 1); /* compression methods */
	/* TLS 1.2 allows a ClientHello without any. */
	extensions = body.left ? vector(&body, 2) : body;
	while (extensions.left && !extensions.broken) {
		size_t kind = number(&extensions, 2);
		struct span content = vector(&extensions, 2);

		if (kind == EXTENSION_NAME && !take_name(content, &hello))
			return -EPROTO;
		if (kind == EXTENSION_ALPN)
			hello.alpn = true;
	}
	if (body.broken || extensions.broken)
		return -EPROTO;
	*ret = hello;
	return 0;
}

/* Where the message ends, once that can be told; else its header's end. */
static size_t message_end(const uint8_t *message, size_t have)
{
	if (have < MESSAGE_HEADER)
		return MESSAGE_HEADER;
	return MESSAGE_HEADER + ((size_t)message[1] << 16 |
				 (size_t)message[2] << 8 | message[3]);
}

int hello_read(const uint8_t *bytes, size_t size, struct hello *ret,
	       size_t *ret_need)
{
	uint8_t message[MESSAGE_HEADER + HELLO_SIZE_MAX];
	size_t at = 0, have = 0, end = MESSAGE_HEADER;

	while (have < end) {
		size_t body, take;

		if (size - at < TLS_RECORD_HEADER) {
			*ret_need = at + TLS_RECORD_HEADER + end - have;
			if (at < size && bytes[at] != TLS_RECORD_HANDSHAKE)
				return -EPROTO;
			return *ret_need > HELLO_BYTES_MAX ? -EMSGSIZE
							   : -EAGAIN;
		}
		body = (size_t)bytes[at + 3] << 8 | bytes[at + 4];
		if (bytes[at] != TLS_RECORD_HANDSHAKE || bytes[at + 1] != 3 ||
		    !body || body > TLS_RECORD_PLAIN_MAX)
			return -EPROTO;
		at += TLS_RECORD_HEADER;
		take = body < size - at ? body : size - at;
		if (take > sizeof(message) - have)
			take = sizeof(message) - have;
		memcpy(message + have, bytes + at, take);
		have += take;
		if (have && message[0] != TLS_MESSAGE_CLIENT_HELLO)
			return -EPROTO;
		end = message_end(message, have);
		if (end > sizeof(message))
			return -EMSGSIZE;
		if (have < end && take < body) {
			*ret_need = at + (body < take + end - have
						  ? body
						  : take + end - have);
			return -EAGAIN;
		}
		at += body;
		if (have < end && at > size)
			at = size;
	}
	return read_message((struct span){message + MESSAGE_HEADER,
					  end - MESSAGE_HEADER, false},
			    ret);
}
