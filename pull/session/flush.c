/* SPDX-License-Identifier: MIT */
/* One thread and a queue of descriptors. */
#include "pull/session/flush.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "common/base/limits.h"

struct flusher {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t more;
	int fds[FLUSH_FILES_MAX]; /* a ring */
	uint64_t added, done;
	bool ending;
};

static void *flusher_run(void *data)
{
	struct flusher *flusher = data;

	pthread_mutex_lock(&flusher->mutex);
	while (!flusher->ending) {
		int fd;

		if (flusher->done == flusher->added) {
			pthread_cond_wait(&flusher->more, &flusher->mutex);
			continue;
		}
		fd = flusher->fds[flusher->done % FLUSH_FILES_MAX];
		pthread_mutex_unlock(&flusher->mutex);
		/* an error is told to the fsync that counts */
		(void)fsync(fd);
		close(fd);
		pthread_mutex_lock(&flusher->mutex);
		flusher->done++;
	}
	pthread_mutex_unlock(&flusher->mutex);
	return NULL;
}

int flusher_new(struct flusher **ret)
{
	struct flusher *flusher = calloc(1, sizeof *flusher);
	sigset_t all, old;
	int r;

	if (!flusher)
		return -ENOMEM;
	pthread_mutex_init(&flusher->mutex, NULL);
	pthread_cond_init(&flusher->more, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&flusher->thread, NULL, flusher_run, flusher);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r > 0) {
		free(flusher);
		return -r;
	}
	*ret = flusher;
	return 0;
}

void flusher_free(struct flusher *flusher)
{
	if (!flusher)
		return;
	pthread_mutex_lock(&flusher->mutex);
	flusher->ending = true;
	pthread_cond_signal(&flusher->more);
	pthread_mutex_unlock(&flusher->mutex);
	pthread_join(flusher->thread, NULL);
	for (uint64_t i = flusher->done; i < flusher->added; i++)
		close(flusher->fds[i % FLUSH_FILES_MAX]);
	pthread_cond_destroy(&flusher->more);
	pthread_mutex_destroy(&flusher->mutex);
	free(flusher);
}

uint64_t flusher_add(struct flusher *flusher, int fd)
{
	uint64_t number = 0;

	pthread_mutex_lock(&flusher->mutex);
	if (flusher->added - flusher->done < FLUSH_FILES_MAX) {
		flusher->fds[flusher->added % FLUSH_FILES_MAX] = fd;
		number = ++flusher->added;
		pthread_cond_signal(&flusher->more);
	}
	pthread_mutex_unlock(&flusher->mutex);
	if (number == 0)
		close(fd);
	return number;
}

uint64_t flusher_done(struct flusher *flusher)
{
	uint64_t done;

	pthread_mutex_lock(&flusher->mutex);
	done = flusher->done;
	pthread_mutex_unlock(&flusher->mutex);
	return done;
}
