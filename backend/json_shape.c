#include "backend/json_shape.h"

#include <stdbool.h>

struct json_shape
json_shape_of(struct slice text)
{
	struct json_shape shape = { 0, 0 };
	size_t depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (in_string)
			continue;
		else if (c == '[' || c == '{')
			depth++;
		else if ((c == ']' || c == '}') && depth > 0)
			depth--;
		else if (c == ',')
			shape.commas++;
		if (depth > shape.depth)
			shape.depth = depth;
	}
	return shape;
}
