/* SPDX-License-Identifier: MIT */
#include "common/record.h"
