/* SPDX-License-Identifier: MIT */
#include "common/journal.h"
