/* SPDX-License-Identifier: MIT */
/*
 * The report of a stored frame as it stands in the disk's last block: MARK_TEXT, the line, zeros.
 */
#pragma once

#define MARK_BYTES 4096
#define MARK_TEXT "stored "
