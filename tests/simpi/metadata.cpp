/* SPDX-License-Identifier: MIT */
/*
 * nonsense=yes in SIMPI: what the program reads of a frame's metadata is what no camera can be, of
 * two kinds by turns. libcamera itself is told the truth.
 */
#include <cstdlib>
#include <cstring>
#include <limits>

#include <dlfcn.h>

#include <libcamera/control_ids.h>
#include <libcamera/controls.h>

using namespace libcamera;

namespace
{

bool is_libcamera(const void *code)
{
	Dl_info info;

	return dladdr(code, &info) != 0 && std::strstr(info.dli_fname, "libcamera") != nullptr;
}

const ControlValue *nonsense_find(unsigned id)
{
	constexpr float nan = std::numeric_limits<float>::quiet_NaN();
	constexpr float endless = std::numeric_limits<float>::infinity();
	static const struct {
		unsigned id;
		ControlValue values[2];
	} nonsense[] = {
		{ controls::ExposureTime.id(),
			{ int32_t(0), std::numeric_limits<int32_t>::max() } },
		{ controls::AnalogueGain.id(), { nan, -endless } },
		{ controls::FrameDuration.id(),
			{ int64_t(-5), std::numeric_limits<int64_t>::max() } },
		{ controls::ColourTemperature.id(), { int32_t(-1), int32_t(0) } },
		{ controls::LensPosition.id(), { -1.0f, endless } },
	};
	static unsigned turn;

	for (const auto &one : nonsense) {
		if (one.id != id)
			continue;
		turn += id == controls::ExposureTime.id();
		return &one.values[turn % 2];
	}
	return nullptr;
}

} // namespace

const ControlValue &ControlList::get(unsigned id) const
{
	using Get = const ControlValue &(*)(const ControlList *, unsigned);
	static const auto real =
		reinterpret_cast<Get>(dlsym(RTLD_NEXT, "_ZNK9libcamera11ControlList3getEj"));
	static const char *const words = std::getenv("SIMPI");
	static const bool lies = words && std::strstr(words, "nonsense=yes");
	const ControlValue *nonsense =
		lies && !is_libcamera(__builtin_return_address(0)) ? nonsense_find(id) : nullptr;

	return nonsense ? *nonsense : real(this, id);
}
