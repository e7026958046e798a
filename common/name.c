/* SPDX-License-Identifier: MIT */
#include "common/name.h"
