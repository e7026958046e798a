/* SPDX-License-Identifier: MIT */
#include "common/archive.h"
