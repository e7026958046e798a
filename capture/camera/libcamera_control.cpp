/* SPDX-License-Identifier: MIT */
/*
 * Names and text to libcamera's controls. A value of the wrong shape ends the process inside
 * libcamera's own assertions, so type, length and range are checked here.
 */
#include "capture/camera/libcamera_control.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <limits>
#include <vector>

#include <strings.h>

using namespace libcamera;

namespace
{

constexpr size_t kElementsMax = 64;

/* Calls the function with a value of the type that the control type's elements are stored as. */
template <typename Function> auto with_type(ControlType type, Function function)
{
	switch (type) {
	case ControlTypeBool:
		return function(bool());
	case ControlTypeByte:
		return function(uint8_t());
	case ControlTypeInteger64:
		return function(int64_t());
	case ControlTypeFloat:
		return function(float());
	default: /* rectangles and sizes are rows of these */
		return function(int32_t());
	}
}

/*
 * How many elements a control's value has: 0 a single value, -1 an array of any length. Old
 * versions do not say; these are their arrays.
 */
template <typename Id> auto array_length(const Id &id, int) -> decltype(id.size(), int())
{
	return !id.isArray() ? 0 : id.size() > kElementsMax ? -1 : static_cast<int>(id.size());
}

template <typename Id> int array_length(const Id &id, long)
{
	static const struct {
		const char *name;
		int length;
	} arrays[] = { { "AfWindows", -1 }, { "ColourCorrectionMatrix", 9 }, { "ColourGains", 2 },
		{ "FrameDurationLimits", 2 } };

	for (const auto &a : arrays)
		if (id.name() == a.name)
			return a.length;
	return 0;
}

/* The number of a name such as "AfModeManual", where libcamera knows the names. */
template <typename Id>
auto number_of_name(const Id &id, const std::string &text, int)
	-> decltype(id.enumerators(), std::optional<long double>())
{
	for (const auto &[value, name] : id.enumerators())
		if (strcasecmp(name.c_str(), text.c_str()) == 0)
			return value;
	return std::nullopt;
}

template <typename Id>
std::optional<long double> number_of_name(const Id &, const std::string &, long)
{
	return std::nullopt;
}

std::vector<std::string> words_split(const std::string &text)
{
	std::vector<std::string> words(1);

	for (char c : text)
		if (c == ',')
			words.emplace_back();
		else if (c != ' ' && c != '\t')
			words.back() += c;
	return words;
}

std::optional<long double> number_parse(const ControlId &id, const std::string &word)
{
	static const char *const yes[] = { "yes", "true", "on" },
				 *const no[] = { "no", "false", "off" };
	char *end;
	long double n = strtold(word.c_str(), &end);

	for (size_t i = 0; id.type() == ControlTypeBool && i < std::size(yes); i++)
		if (word == yes[i] || word == no[i])
			return word == yes[i];
	if (end == word.c_str() || *end)
		return number_of_name(id, word, 0);
	if (!std::isfinite(n) || (id.type() != ControlTypeFloat && n != std::floor(n)))
		return std::nullopt;
	return n;
}

/* Number i of the value. */
bool number_store(ControlValue &value, size_t i, long double n)
{
	static_assert(
		sizeof(Rectangle) == 4 * sizeof(int32_t) && sizeof(Size) == 2 * sizeof(int32_t));
	return with_type(value.type(), [&](auto t) {
		using Limits = std::numeric_limits<decltype(t)>;

		if (n < static_cast<long double>(Limits::lowest()) ||
			n > static_cast<long double>(Limits::max()))
			return false;
		t = static_cast<decltype(t)>(n);
		memcpy(value.data().data() + i * sizeof t, &t, sizeof t);
		return true;
	});
}

/* Numbers that one element of the type has; 0 for types that settings cannot express. */
size_t numbers_in(ControlType type)
{
	switch (type) {
	case ControlTypeBool:
	case ControlTypeByte:
	case ControlTypeInteger32:
	case ControlTypeInteger64:
	case ControlTypeFloat:
		return 1;
	case ControlTypeSize:
		return 2;
	case ControlTypeRectangle:
		return 4;
	default:
		return 0;
	}
}

bool value_parse(const ControlId &id, const std::string &text, ControlValue *ret)
{
	size_t numbers = numbers_in(id.type());
	int length = array_length(id, 0);
	std::vector<std::string> words = words_split(text);

	if (id.type() == ControlTypeString) {
		ret->reserve(ControlTypeString, true, text.size());
		std::copy(text.begin(), text.end(), ret->data().begin());
		return true;
	}
	if (numbers == 0 || words.size() % numbers || words.size() / numbers > kElementsMax)
		return false;
	size_t elements = words.size() / numbers;
	if (length >= 0 && elements != static_cast<size_t>(length ? length : 1))
		return false;
	ret->reserve(id.type(), length != 0, elements);
	for (size_t i = 0; i < words.size(); i++) {
		std::optional<long double> n = number_parse(id, words[i]);
		if (!n || !number_store(*ret, i, *n))
			return false;
	}
	return true;
}

bool in_range(const ControlInfo &range, const ControlValue &value)
{
	const std::vector<ControlValue> &allowed = range.values();

	if (!allowed.empty() && !value.isArray())
		return std::find(allowed.begin(), allowed.end(), value) != allowed.end();
	for (size_t i = 0; i < value.numElements(); i++) {
		std::optional<long double> n = control_number(value, i);
		std::optional<long double> min = control_number(range.min(), i);
		std::optional<long double> max = control_number(range.max(), i);

		if (n && ((min && *n < *min) || (max && *n > *max)))
			return false;
	}
	return true;
}

/* Number i of all that the value has, those of rectangles and sizes too. */
long double number_load(const ControlValue &value, size_t i)
{
	return with_type(value.type(), [&](auto t) {
		memcpy(&t, value.data().data() + i * sizeof t, sizeof t);
		return static_cast<long double>(t);
	});
}

/* "14 to 674181621", "0, 1, 3", with the number of values where it is not one. */
std::string allowed_text(const ControlId &id, const ControlInfo &range)
{
	static const char *const shapes[] = { "a value that settings cannot express", "",
		"width,height", "", "x,y,width,height" };
	size_t numbers = numbers_in(id.type());
	int length = array_length(id, 0);
	std::string text;

	if (numbers != 1)
		return shapes[numbers];
	for (const ControlValue &value : range.values())
		text += (text.empty() ? "" : ", ") + value.toString();
	if (text.empty())
		text = range.min().toString() + " to " + range.max().toString();
	return length > 0 ? std::to_string(length) + " numbers, each " + text : text;
}

} // namespace

const ControlId *control_named(const Camera &camera, const char *name)
{
	for (const auto &[id, range] : camera.controls())
		if (strcasecmp(id->name().c_str(), name) == 0)
			return id;
	return nullptr;
}

std::optional<long double> control_number(const ControlValue &value, size_t i)
{
	if (value.numElements() == 0 || numbers_in(value.type()) != 1)
		return std::nullopt;
	return number_load(value, i < value.numElements() ? i : 0);
}

int control_parse(const ControlId &id, const ControlInfo &range, const std::string &text,
	ControlValue *ret, std::string &error)
{
	if (value_parse(id, text, ret) && in_range(range, *ret))
		return 0;
	error = "control." + id.name() + " = " + text + ": allowed is " + allowed_text(id, range);
	return -EINVAL;
}

std::string control_text(const ControlValue &value)
{
	std::string text;
	char number[64];

	if (value.type() == ControlTypeBool && value.numElements() == 1)
		return number_load(value, 0) != 0 ? "yes" : "no";
	for (size_t i = 0; i < value.numElements() * numbers_in(value.type()); i++) {
		/* seven digits tell a float, whole numbers are shown whole */
		snprintf(number, sizeof number,
			value.type() == ControlTypeFloat ? "%.7Lg" : "%.0Lf",
			number_load(value, i));
		text += (i ? "," : "") + std::string(number);
	}
	return text;
}

std::string control_kind(const ControlId &id)
{
	int length = array_length(id, 0);
	const char *one = id.type() == ControlTypeBool ? "yes or no"
		: id.type() == ControlTypeFloat        ? "a number"
		: id.type() == ControlTypeRectangle    ? "x,y,width,height"
		: id.type() == ControlTypeSize         ? "width,height"
		: id.type() == ControlTypeString       ? "text"
		: numbers_in(id.type()) == 0           ? "a value that settings cannot express"
						       : "a whole number";

	return length == 0   ? one
		: length < 0 ? std::string("any number of values with commas between, each ") + one
			     : std::to_string(length) + " values with commas between, each " + one;
}
