/* SPDX-License-Identifier: MIT */
/*
 * What libcamera's controls do, in plain words. libcamera describes them in its source alone; what
 * is said here is after control_ids_core.yaml, control_ids_draft.yaml and control_ids_rpi.yaml of
 * 0.0.3 to 0.7, and after what Raspberry Pi's pipelines make of them.
 */
#pragma once

struct control_help {
	const char *name;
	const char *text; /* "how long a picture is exposed, in microseconds" */
	const char
		*choices; /* what its numbers mean, from 0 on: "off, fast, best"; NULL: numbers */
};

/* By the control's name, in any case. NULL: a control that is not known here. */
const struct control_help *control_help_find(const char *name);
