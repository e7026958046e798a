/* SPDX-License-Identifier: MIT */
/* Chooses the camera implementation by the setting camera.source. */
#include "capture/camera/camera.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/text.h"

const struct camera_ops *camera_ops_of(const char *source)
{
	if (strcmp(source, "test") == 0 || strncmp(source, "test-", 5) == 0)
		return &simcam_ops;
#ifdef HAVE_LIBCAMERA
	return &camera_libcamera_ops;
#else
	return NULL;
#endif
}

int camera_open(const char *source, const struct camera_options *options, struct camera **ret,
	char *error, size_t size)
{
	const struct camera_ops *ops = camera_ops_of(source);
	struct camera_options own = *options;
	int r;

	if (!ops) {
		snprintf(error, size,
			"built without libcamera: only camera.source = test can be used");
		return -ENODEV;
	}
	own.id = strcmp(source, "auto") == 0 || strcmp(source, "test") == 0 ? NULL : source;
	r = ops->open(&own, ret, error, size);
	if (r < 0) /* names of devices may be in it */
		text_clean(error, strnlen(error, size - 1), error, size);
	return r;
}
