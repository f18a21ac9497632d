/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One error sentence and one log line per thread.
 *
 * In C because Embedded Swift has no thread-local storage; on a pthread key because a _Thread_local in a library that
 * is loaded with dlopen needs the loader's help at run time. A thread without an error costs nothing; a thread's buffer
 * is freed when the thread ends, or with the library if that thread unloads it. (Other threads' buffers are left alone
 * then: the same hook runs at exit, when those threads may still be reading them.)
 */
#include "CLinux.h"

#include <stdio.h>

enum { LIMIT = sizeof(((struct saved_sentence *)0)->text) };

struct sentences {
	size_t length[2];
	unsigned int held; /* the error sentence stays as it is while this is not zero */
	char text[2][LIMIT];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key;
static int key_made;

__attribute__((destructor)) static void unload(void)
{
	if (!key_made)
		return;
	free(pthread_getspecific(key));
	pthread_key_delete(key);
	key_made = 0;
}

/* Another thread of the parent may have held the lock. */
void sentence_in_child(void)
{
	lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

/* This thread's buffers, or NULL when there is no memory for them: then one sentence serves for all. */
static struct sentences *mine(void)
{
	pthread_mutex_lock(&lock);
	if (!key_made)
		key_made = pthread_key_create(&key, free) == 0;
	int ready = key_made;
	pthread_mutex_unlock(&lock);
	if (!ready)
		return NULL;
	struct sentences *found = pthread_getspecific(key);
	if (found == NULL && (found = calloc(1, sizeof(*found))) != NULL && pthread_setspecific(key, found) != 0) {
		free(found);
		found = NULL;
	}
	return found;
}

void sentence_begin(int which)
{
	struct sentences *s = mine();
	if (s != NULL && (which != SENTENCE_ERROR || s->held == 0)) {
		s->length[which] = 0;
		s->text[which][0] = 0;
	}
}

/* Bytes that are not printable become '?': part of the text may come from a peer or from a file name. */
void sentence_text(int which, const char *text, size_t length)
{
	struct sentences *s = mine();
	if (s == NULL || (which == SENTENCE_ERROR && s->held != 0))
		return;
	for (size_t i = 0; i < length && s->length[which] < LIMIT - 1; i++) {
		unsigned char c = (unsigned char)text[i];
		s->text[which][s->length[which]++] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
	}
	s->text[which][s->length[which]] = 0;
}

void sentence_signed(int which, int64_t number)
{
	char digits[24];
	sentence_text(which, digits, (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)number));
}

void sentence_hex(int which, uint64_t number)
{
	char digits[24];
	sentence_text(which, digits, (size_t)snprintf(digits, sizeof(digits), "0x%llx", (unsigned long long)number));
}

void sentence_errno(int which, int error)
{
	char room[64];
	const char *text = strerror_r(error, room, sizeof(room));
	sentence_text(which, text, strlen(text));
}

const char *sentence_get(int which)
{
	struct sentences *s = mine();
	return s == NULL ? "no memory is left, not even for the sentence of an error" : s->text[which];
}

void sentence_hold(int on)
{
	struct sentences *s = mine();
	if (s != NULL)
		s->held += on ? 1 : -1u;
}

void sentence_save(struct saved_sentence *kept)
{
	snprintf(kept->text, sizeof(kept->text), "%s", sentence_get(SENTENCE_ERROR));
}

void sentence_restore(const struct saved_sentence *kept)
{
	sentence_begin(SENTENCE_ERROR);
	sentence_text(SENTENCE_ERROR, kept->text, strlen(kept->text));
}
