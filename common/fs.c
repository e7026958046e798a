/* SPDX-License-Identifier: MIT */
#include "common/fs.h"
