/* SPDX-License-Identifier: MIT */
/* The controls that cameras of Raspberry Pi and USB cameras have, by the alphabet. */
#include "capture/camera/control_help.h"

#include <stddef.h>
#include <strings.h>

#include "common/base/util.h"

static const struct control_help helps[] = {
	{ "AeConstraintMode",
		"what the automatic exposure spares from being too bright or too dark",
		"normal, highlights, shadows, custom" },
	{ "AeEnable", "automatic exposure and gain", NULL },
	{ "AeExposureMode", "whether the automatic prefers a short exposure or a low gain",
		"normal, short exposures, long exposures, custom" },
	{ "AeFlickerMode", "exposures that fit the flicker of lamps",
		"off, AeFlickerPeriod, automatic" },
	{ "AeFlickerPeriod",
		"microseconds from flash to flash of the lamps: 10000 at 50 Hz, 8333 at 60 Hz",
		NULL },
	{ "AeMeteringMode", "which part of the picture counts for the automatic exposure",
		"centre, spot, whole, custom" },
	{ "AfMetering", "where the picture is to be in focus", "centre, AfWindows" },
	{ "AfMode", "how the lens moves",
		"only as LensPosition says, once when AfTrigger says so, always again" },
	{ "AfPause", "stops autofocus that is always on", "now, when it is in focus, go on" },
	{ "AfRange", "distances that autofocus looks at", "normal, near, all" },
	{ "AfSpeed", "how fast autofocus moves the lens", "normal, fast" },
	{ "AfTrigger", "begins or ends autofocus in the mode `once`", "begin, end" },
	{ "AfWindows", "rectangles of the picture that are to be in focus", NULL },
	{ "AnalogueGain", "a fixed gain, 1.0 is that of ISO 100; the automatic gain is off then",
		NULL },
	{ "AnalogueGainMode", "who chooses the gain", "automatic, AnalogueGain" },
	{ "AwbEnable", "automatic white balance", NULL },
	{ "AwbMode", "the light that automatic white balance looks for",
		"any, incandescent, tungsten, fluorescent, indoor, daylight, cloudy, custom" },
	{ "Brightness", "adds to the brightness after the exposure; 0 changes nothing", NULL },
	{ "CnnEnableInputTensor", "an AI camera hands out its network's input: no use here", NULL },
	{ "ColourCorrectionMatrix", "from the sensor's colours to those of the picture, by row",
		NULL },
	{ "ColourGains",
		"fixed white balance: gain of red and of blue; the automatic one is off then",
		NULL },
	{ "ColourTemperature", "fixed white balance: the light's temperature in kelvin", NULL },
	{ "Contrast", "1 is that of the camera's tuning, 0 a grey picture", NULL },
	{ "DigitalGain", "a gain after the sensor's own", NULL },
	{ "ExposureTime",
		"how long a picture is exposed, microseconds; the automatic time is off then",
		NULL },
	{ "ExposureTimeMode", "who chooses the exposure time", "automatic, ExposureTime" },
	{ "ExposureValue", "makes the automatic exposure brighter or darker, in stops", NULL },
	{ "FaceDetectMode", "looks for faces: no use here", "off, on, with landmarks" },
	{ "FrameDurationLimits", "microseconds a frame: camera.fps sets them", NULL },
	{ "Gamma", "the exponent of the tone curve", NULL },
	{ "HdrMode", "more range from dark to bright",
		"off, several exposures apart, several exposures, one exposure, night" },
	{ "LensPosition", "a fixed focus in dioptres: 0 is infinity, 2 is half a metre", NULL },
	{ "NoiseReductionMode", "how noise is removed", "off, fast, best, little, while idle" },
	{ "Saturation", "1 is that of the camera's tuning, 0 a picture without colours", NULL },
	{ "ScalerCrop", "the part of the sensor that becomes the picture, in its pixels", NULL },
	{ "Sharpness", "1 is that of the camera's tuning, 0 no sharpening", NULL },
	{ "StatsOutputEnable", "hands out the pipeline's statistics: no use here", NULL },
	{ "SyncFrames", "frames until synchronised cameras begin: no use here", NULL },
	{ "SyncMode", "synchronises cameras of a network, which the phase lock does here",
		"off, server, client" },
	{ "TestLatency", "test camera: frames until a control shows", NULL },
	{ "TestPatternMode", "shows a pattern in place of a picture", NULL },
};

const struct control_help *control_help_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(helps); i++)
		if (strcasecmp(helps[i].name, name) == 0)
			return &helps[i];
	return NULL;
}
