/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/import_write.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void notes_begin(struct notes *notes, FILE *told)
{
	*notes = (struct notes){.told = told};
	notes->head = open_memstream(&notes->text, &notes->size);
	notes->failed = !notes->head;
}

/* Neither a control character nor a line break, of which YAML has five
 * (YAML 1.1, sections 5.1 and 5.4), nor a byte order mark. */
static bool is_plain(uint32_t code)
{
	return (code >= ' ' && code < 0x7f) ||
	       (code >= 0xa0 && code < 0x2028) ||
	       (code > 0x2029 && code < 0xfffe && code != 0xfeff) ||
	       code > 0xffff;
}

/* What came from a file may not end the comment that it stands in. */
static void put_plain(FILE *out, const char *text)
{
	uint32_t code;

	while (*text) {
		size_t size = utf8_take(text, &code);

		if (size && is_plain(code))
			fwrite(text, 1, size, out);
		else
			fputc('?', out);
		text += size ? size : 1;
	}
}

void notes_add(struct notes *notes, const char *where, const char *format, ...)
{
	char words[IMPORT_TEXT_MAX];
	FILE *outs[] = {notes->head, notes->told};
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	notes->count++;
	for (size_t i = 0; i < 2; i++) {
		if (!outs[i])
			continue;
		if (i == 0)
			fputs("# ! ", outs[i]);
		put_plain(outs[i], where);
		fputs(": ", outs[i]);
		put_plain(outs[i], words);
		fputc('\n', outs[i]);
	}
}

void notes_remark(struct notes *notes, const char *where, const char *words)
{
	if (!notes->head)
		return;
	fputs("#   ", notes->head);
	put_plain(notes->head, where);
	fprintf(notes->head, ": %s\n", words);
}

void notes_end(struct notes *notes)
{
	if (notes->head && fclose(notes->head) != 0)
		notes->failed = true;
	notes->head = NULL;
}

void notes_fini(struct notes *notes)
{
	notes_end(notes);
	free(notes->text);
}

void block_begin(struct block *block, struct notes *notes)
{
	*block = (struct block){.off = false};
	block->out = open_memstream(&block->text, &block->size);
	if (!block->out) {
		notes->failed = true;
		block->out = fopen("/dev/null", "we");
	}
}

void block_end(struct block *block, FILE *out)
{
	const char *line, *end;

	if (block->out)
		fclose(block->out);
	for (line = block->text; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			break;
		fprintf(out, "%s%.*s\n", block->off ? "# " : "",
			(int)(end - line), line);
	}
	free(block->text);
}

char *import_quote(const char *text, char ret[static IMPORT_TEXT_MAX])
{
	size_t used = 0;
	uint32_t code;

	ret[used++] = '"';
	while (*text && used < IMPORT_TEXT_MAX - 16) {
		size_t size = utf8_take(text, &code);

		if (*text == '"' || *text == '\\')
			ret[used++] = '\\';
		if (size && is_plain(code)) {
			memcpy(ret + used, text, size);
			used += size;
		} else {
			used += (size_t)snprintf(ret + used, 11, "\\U%08x",
						 size ? code : 0xfffd);
		}
		text += size ? size : 1;
	}
	ret[used++] = '"';
	ret[used] = '\0';
	return ret;
}

char *import_name(const char *prefix, const char *text, char ret[static 64])
{
	snprintf(ret, 64, "%s%s", prefix, text);
	for (char *at = ret; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("._-", *at))
			*at = '-';
	return ret;
}
