/* SPDX-License-Identifier: MIT */
/*
 * Settings' text to libcamera's controls, against whichever libcamera this is built with. Needs no
 * camera: the names are libcamera's own, the ranges are made here.
 */
#include "capture/camera/libcamera_control.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

using namespace libcamera;

namespace
{

struct Case {
	const ControlId &id;
	ControlInfo range;
	const char *text;
	const char *want; /* the value as libcamera prints it, or what the error says is allowed */
	bool good;
};

const ControlInfo any;
const ControlInfo time_range(int32_t(14), int32_t(2000000));
const ControlInfo gain_range(1.0f, 16.0f);
const ControlInfo colour_range(0.0f, 32.0f);
const ControlInfo long_range(int64_t(100), int64_t(120000000));
const ControlInfo flag_range(false, true);

const std::array<ControlValue, 3> meter_values = { int32_t(0), int32_t(1), int32_t(3) };
const ControlInfo meter_range{ Span<const ControlValue>(meter_values) };

const Case cases[] = {
	{ controls::ExposureTime, time_range, "10000", "10000", true },
	{ controls::ExposureTime, time_range, " 14 ", "14", true },
	{ controls::ExposureTime, time_range, "1e4", "10000", true },
	{ controls::ExposureTime, time_range, "13", "14 to 2000000", false },
	{ controls::ExposureTime, time_range, "2000001", "14 to 2000000", false },
	{ controls::ExposureTime, time_range, "-1", "14 to 2000000", false },
	{ controls::ExposureTime, time_range, "100.5", "14 to 2000000", false },
	{ controls::ExposureTime, time_range, "", "14 to 2000000", false },
	{ controls::ExposureTime, time_range, "100us", "14 to 2000000", false },
	{ controls::ExposureTime, time_range, "100,100", "14 to 2000000", false },
	{ controls::ExposureTime, time_range, "yes", "14 to 2000000", false },
	{ controls::ExposureTime, any, "4294967296", "", false },
	{ controls::ExposureTime, any, "1e999", "", false },
	{ controls::ExposureTime, any, "inf", "", false },
	{ controls::AnalogueGain, gain_range, "2.5", "2.500000", true },
	{ controls::AnalogueGain, gain_range, "1.0625", "1.062500", true },
	{ controls::AnalogueGain, gain_range, "0.5", "1.000000 to 16.000000", false },
	{ controls::AnalogueGain, gain_range, "nan", "1.000000 to 16.000000", false },
	{ controls::AeEnable, flag_range, "yes", "true", true },
	{ controls::AeEnable, flag_range, "off", "false", true },
	{ controls::AeEnable, flag_range, "1", "true", true },
	{ controls::AeEnable, flag_range, "2", "false to true", false },
	{ controls::AeEnable, flag_range, "maybe", "false to true", false },
	{ controls::AeMeteringMode, meter_range, "3", "3", true },
	{ controls::AeMeteringMode, meter_range, "2", "0, 1, 3", false },
	{ controls::ColourGains, colour_range, "1.5, 2.0", "[ 1.500000, 2.000000 ]", true },
	{ controls::ColourGains, colour_range, "1.5", "2 numbers, each 0.000000 to 32.000000",
		false },
	{ controls::ColourGains, colour_range, "1,2,3", "2 numbers", false },
	{ controls::ColourGains, colour_range, "1.5,33", "2 numbers", false },
	{ controls::ColourGains, colour_range, "1.5,", "2 numbers", false },
	{ controls::FrameDurationLimits, long_range, "100,120000000", "[ 100, 120000000 ]", true },
	{ controls::FrameDurationLimits, long_range, "99,200", "2 numbers", false },
	{ controls::ScalerCrop, any, "10,20,640,480", "(10, 20)/640x480", true },
	{ controls::ScalerCrop, any, "10,20,640", "x,y,width,height", false },
	{ controls::ScalerCrop, any, "10,20,640,480,1,2,3,4", "x,y,width,height", false },
};

/* A control that can be named must have its type read back as a number. */
bool numbers_come_back()
{
	const int64_t big = INT64_C(9007199254740993); /* one more than a double can count to */

	return control_number(ControlValue(big)) == static_cast<long double>(big) &&
		control_number(ControlValue(0.5f)) == 0.5L &&
		control_number(ControlValue(true)) == 1 && !control_number(ControlValue());
}

/* What is shown of a value is read back to the same value. */
bool text_comes_back(const Case &c, const ControlValue &value)
{
	const std::string text = control_text(value);
	std::string error;
	ControlValue again;

	if (control_parse(c.id, c.range, text, &again, error) == 0 && again == value)
		return true;
	fprintf(stderr, "%s: %s is shown as '%s'\n", c.id.name().c_str(), value.toString().c_str(),
		text.c_str());
	return false;
}

bool kinds_are_told()
{
	return control_text(ControlValue()).empty() &&
		control_kind(controls::ExposureTime) == "a whole number" &&
		control_kind(controls::AeEnable) == "yes or no" &&
		control_kind(controls::ColourGains) ==
		"2 values with commas between, each a number" &&
		control_kind(controls::ScalerCrop) == "x,y,width,height";
}

} // namespace

int main()
{
	int passed = 0, failed = 0;

	for (const Case &c : cases) {
		std::string error;
		ControlValue value;
		int r = control_parse(c.id, c.range, c.text, &value, error);
		bool good = c.good ? r == 0 && error.empty() && value.toString() == c.want
				   : r == -EINVAL && error.find(c.want) != std::string::npos;
		if (!good)
			fprintf(stderr, "%s = '%s': %d, '%s', '%s'; not '%s'\n",
				c.id.name().c_str(), c.text, r, value.toString().c_str(),
				error.c_str(), c.want);
		good ? passed++ : failed++;
		if (c.good)
			text_comes_back(c, value) ? passed++ : failed++;
	}
	numbers_come_back() ? passed++ : failed++;
	kinds_are_told() ? passed++ : failed++;
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
