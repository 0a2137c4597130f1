/* The facts about an encoded picture that its metadata repeat. */

#ifndef WEBPENCODE_FACTS_H
#define WEBPENCODE_FACTS_H

#include <stdbool.h>

typedef struct {
    int width, height; /* in pixels */
    bool is_upright;   /* the orientation was applied to the pixels */
    bool is_srgb;      /* the colors were converted to sRGB */
} picture_facts;

#endif
